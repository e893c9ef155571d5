// SPDX-License-Identifier: Apache-2.0
#pragma once
// What may stand inside a block, between norms, linear layers and attention: norms of groups of columns, biases, rounded inputs.
#include <algorithm>
#include <cmath>
#include <vector>

#include "ops/reference/matrix.h"
#include "ops/reference/norm.h"

namespace spectra::ops::reference {

/// Group `g` of columns, as many as the tensor has groups.
template <class T>
Matrix<T> group_of(Matrix<T> x, int64_t g, int64_t groups) {
  const int64_t width = x.cols / groups;
  return {x.data + g * width, x.rows, width, x.stride};
}

/// RMSNorm of each group of columns; w has the weights of one group, nullptr = all ones. rstd (G, N).
template <class T>
void group_norm(Matrix<T> y, Matrix<T> rstd, Matrix<T> x, const T* w, T eps) {
  const std::vector<T> ones(static_cast<size_t>(x.cols / rstd.rows), T{1});
  for (int64_t g = 0; g < rstd.rows; ++g)
    rmsnorm(group_of(y, g, rstd.rows), rstd.row(g), group_of(x, g, rstd.rows), w == nullptr ? ones.data() : w, eps);
}

/// dx is overwritten and may be dy. dw = nullptr where w is.
template <class T>
void group_norm_backward(Matrix<T> dx, T* dw, Matrix<T> dy, Matrix<T> x, Matrix<T> rstd, const T* w) {
  const int64_t width = x.cols / rstd.rows;
  std::vector<T> ones(static_cast<size_t>(width), T{1}), unused(ones.size()), sum(static_cast<size_t>(x.rows * width));
  for (int64_t g = 0; g < rstd.rows; ++g) {
    std::fill(sum.begin(), sum.end(), T{0});
    rmsnorm_backward(Matrix<T>{sum.data(), x.rows, width, width}, w == nullptr ? unused.data() : dw, group_of(dy, g, rstd.rows),
                     group_of(x, g, rstd.rows), rstd.row(g), w == nullptr ? ones.data() : w);
    Matrix<T> out = group_of(dx, g, rstd.rows);
    for (int64_t n = 0; n < x.rows; ++n)
      for (int64_t i = 0; i < width; ++i) out(n, i) = sum[static_cast<size_t>(n * width + i)];
  }
}

/// y += b in every row.
template <class T>
void add_bias(Matrix<T> y, const T* b) {
  for (int64_t n = 0; n < y.rows; ++n)
    for (int64_t i = 0; i < y.cols; ++i) y(n, i) += b[i];
}

template <class T>
void add_bias_backward(T* db, Matrix<T> dy) {
  for (int64_t n = 0; n < dy.rows; ++n)
    for (int64_t i = 0; i < dy.cols; ++i) db[i] += dy(n, i);
}

/// Each row to 255 levels: s = max |x| / 127, y = s round(x / s), half to even. A row of zeros stays one.
template <class T>
void round_int8(Matrix<T> y, Matrix<T> x) {
  for (int64_t n = 0; n < x.rows; ++n) {
    T largest = 0;
    for (int64_t i = 0; i < x.cols; ++i) largest = std::max(largest, std::abs(x(n, i)));
    const T scale = largest / 127;
    for (int64_t i = 0; i < x.cols; ++i) y(n, i) = scale > 0 ? std::nearbyint(x(n, i) / scale) * scale : T{0};
  }
}

}  // namespace spectra::ops::reference
