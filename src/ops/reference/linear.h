// SPDX-License-Identifier: Apache-2.0
#pragma once
// Linear layers, paper table 1: Y = X W̃ᵀ, dX = dY W̃, dW = dYᵀ X (straight-through: neither codes nor scales take part).
#include <algorithm>

#include "ops/backend.h"
#include "ops/reference/matrix.h"

namespace spectra::ops::reference {

/// W̃, the weight that the codes and scales stand for.
template <class T>
struct ScaledWeight {
  Matrix<T> codes;
  const float* row_scale;
  const float* col_scale;
  explicit ScaledWeight(const QuantizedWeight& w) : codes(matrix<T>(w.codes)), row_scale(w.row_scale), col_scale(w.col_scale) {}
  T row(int64_t out) const { return row_scale == nullptr ? T(1) : static_cast<T>(row_scale[out]); }
  T col(int64_t in) const { return col_scale == nullptr ? T(1) : static_cast<T>(col_scale[in]); }
  T operator()(int64_t out, int64_t in) const { return row(out) * codes(out, in) * col(in); }
};

template <class T>
void linear(Matrix<T> y, Matrix<T> x, const ScaledWeight<T>& w, bool accumulate) {
  for (int64_t n = 0; n < y.rows; ++n) {
    for (int64_t o = 0; o < y.cols; ++o) {
      T sum = 0;
      for (int64_t i = 0; i < x.cols; ++i) sum += x(n, i) * w(o, i);
      y(n, o) = accumulate ? y(n, o) + sum : sum;
    }
  }
}

template <class T>
void linear_dx(Matrix<T> dx, Matrix<T> dy, const ScaledWeight<T>& w, bool accumulate) {
  for (int64_t n = 0; n < dx.rows; ++n) {
    if (!accumulate) std::fill_n(dx.row(n), dx.cols, T(0));
    for (int64_t o = 0; o < dy.cols; ++o) {
      for (int64_t i = 0; i < dx.cols; ++i) dx(n, i) += dy(n, o) * w(o, i);
    }
  }
}

template <class T>
void linear_dw(Matrix<T> dw, Matrix<T> dy, Matrix<T> x) {
  for (int64_t o = 0; o < dw.rows; ++o) {
    for (int64_t n = 0; n < x.rows; ++n) {
      for (int64_t i = 0; i < dw.cols; ++i) dw(o, i) += dy(n, o) * x(n, i);
    }
  }
}

}  // namespace spectra::ops::reference
