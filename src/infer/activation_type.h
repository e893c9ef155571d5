// SPDX-License-Identifier: Apache-2.0
#pragma once
// What linear layers multiply their weights with.
#include <cstdint>
#include <string>

namespace spectra::infer {

/// fp32 as computed; bf16 rounded; int8 with a scale per token row, absmax/127 (packed weights only).
enum class ActivationType : uint8_t { kFp32, kBf16, kInt8 };
const char* activations_name(ActivationType type);  ///< "fp32", "bf16", "int8"
/// Throws Error (exit 2) listing the three.
ActivationType activations_from_name(const std::string& name);

}  // namespace spectra::infer
