// SPDX-License-Identifier: Apache-2.0
#pragma once
// How keys and values are stored.
#include <cstdint>
#include <string>

#include "infer/activation_type.h"

namespace spectra::infer {

/// int8: with a scale, absmax/127, for the key and the value of each position and head.
enum class KvType : uint8_t { kFp32, kFp16, kInt8 };
const char* kv_type_name(KvType type);  ///< "fp32", "fp16", "int8"
/// Throws Error (exit 2) listing the three.
KvType kv_type_from_name(const std::string& name);
/// fp32 with fp32 activations, fp16 otherwise.
KvType default_kv_type(ActivationType activations);

}  // namespace spectra::infer
