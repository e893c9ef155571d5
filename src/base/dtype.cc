// SPDX-License-Identifier: Apache-2.0
#include "base/dtype.h"

namespace spectra {
namespace {

struct Row {
  DType dtype;
  const char* name;
  size_t size;
};
constexpr Row kRows[] = {{DType::kF64, "F64", 8}, {DType::kF32, "F32", 4}, {DType::kF16, "F16", 2},  {DType::kBf16, "BF16", 2},
                         {DType::kI64, "I64", 8}, {DType::kI32, "I32", 4}, {DType::kI16, "I16", 2},  {DType::kI8, "I8", 1},
                         {DType::kU16, "U16", 2}, {DType::kU8, "U8", 1},   {DType::kBool, "BOOL", 1}};

}  // namespace

size_t dtype_size(DType dtype) { return kRows[static_cast<size_t>(dtype)].size; }
const char* dtype_name(DType dtype) { return kRows[static_cast<size_t>(dtype)].name; }

bool dtype_from_name(const std::string& name, DType& dtype) {
  for (const Row& row : kRows)
    if (name == row.name) {
      dtype = row.dtype;
      return true;
    }
  return false;
}

bool is_float(DType dtype) { return dtype == DType::kF32 || dtype == DType::kF16 || dtype == DType::kBf16 || dtype == DType::kF64; }

}  // namespace spectra
