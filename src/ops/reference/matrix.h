// SPDX-License-Identifier: Apache-2.0
#pragma once
// Typed views for the reference ops, so that their loops read like the formulas.
#include "ops/buffer.h"

namespace spectra::ops::reference {

template <class T>
struct Matrix {
  T* data;
  int64_t rows, cols, stride;
  T& operator()(int64_t row, int64_t col) const { return data[row * stride + col]; }
  T* row(int64_t index) const { return data + index * stride; }
};

template <class T>
Matrix<T> matrix(const Tensor& tensor) {
  return {tensor.as<T>(), tensor.rows, tensor.cols, tensor.stride};
}

}  // namespace spectra::ops::reference
