// SPDX-License-Identifier: Apache-2.0
#pragma once
// Reading and writing single elements of a tensor of any float type, for ops that mix types.
#include "ops/buffer.h"

namespace spectra::ops::reference {

inline double get(const Tensor& x, int64_t row, int64_t col) {
  const int64_t index = row * x.stride + col;
  switch (x.dtype) {
    case DType::kF64:
      return x.as<double>()[index];
    case DType::kF32:
      return static_cast<double>(x.as<float>()[index]);
    default:
      return static_cast<double>(to_float(x.as<bf16>()[index]));
  }
}

inline void set(const Tensor& x, int64_t row, int64_t col, double value) {
  const int64_t index = row * x.stride + col;
  switch (x.dtype) {
    case DType::kF64:
      x.as<double>()[index] = value;
      break;
    case DType::kF32:
      x.as<float>()[index] = static_cast<float>(value);
      break;
    default:
      x.as<bf16>()[index] = to_bf16(static_cast<float>(value));
  }
}

}  // namespace spectra::ops::reference
