// SPDX-License-Identifier: Apache-2.0
#pragma once
// Element types of tensors in memory and in files.
#include <cstddef>
#include <cstdint>
#include <string>

namespace spectra {

enum class DType : uint8_t { kF64, kF32, kF16, kBf16, kI64, kI32, kI16, kI8, kU16, kU8, kBool };

/// Bytes of one element.
size_t dtype_size(DType dtype);
/// The safetensors spelling: "F32", "BF16", ...
const char* dtype_name(DType dtype);
/// Inverse of dtype_name. Returns false where the name is unknown.
bool dtype_from_name(const std::string& name, DType& dtype);
bool is_float(DType dtype);  ///< of any width

}  // namespace spectra
