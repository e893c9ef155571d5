// SPDX-License-Identifier: Apache-2.0
#pragma once
// Linear layers, paper table 1: Y = X W̃ᵀ, dX = dY W̃, dW = dYᵀ X (straight-through: neither codes nor scales take part).
#include <algorithm>
#include <vector>

#include "ops/backend.h"
#include "ops/reference/matrix.h"

namespace spectra::ops::reference {

/// W̃, the weight that the codes and scales stand for.
template <class T>
struct ScaledWeight {
  Matrix<T> codes;
  bool by_rows;
  std::vector<T> line_scales;  // of each row or column; empty = all ones
  explicit ScaledWeight(const QuantizedWeight& w) : codes(matrix<T>(w.codes)), by_rows(w.by_rows) {
    for (int64_t s = 0; s < w.shards(); ++s)
      line_scales.resize(static_cast<size_t>(w.bounds[static_cast<size_t>(s) + 1]), w.scales.as<T>()[s]);
  }
  T operator()(int64_t out, int64_t in) const {
    const T code = codes(out, in);
    return line_scales.empty() ? code : code * line_scales[static_cast<size_t>(by_rows ? out : in)];
  }
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
