// SPDX-License-Identifier: Apache-2.0
#pragma once
// RMSNorm (Zhang & Sennrich 2019, equation 4): y = x / rms(x) * w, rms(x) = sqrt(mean x² + eps).
#include <cmath>

#include "ops/reference/matrix.h"

namespace spectra::ops::reference {

/// rstd (N): 1 / rms of each row, kept for the backward.
template <class T>
void rmsnorm(Matrix<T> y, T* rstd, Matrix<T> x, const T* w, T eps) {
  for (int64_t n = 0; n < x.rows; ++n) {
    T squares = 0;
    for (int64_t d = 0; d < x.cols; ++d) squares += x(n, d) * x(n, d);
    rstd[n] = 1 / std::sqrt(squares / static_cast<T>(x.cols) + eps);
    for (int64_t d = 0; d < x.cols; ++d) y(n, d) = x(n, d) * rstd[n] * w[d];
  }
}

/// With r = rstd and g = dy w: dx += r g - x r³ mean(g x), dw += dy x r.
template <class T>
void rmsnorm_backward(Matrix<T> dx, T* dw, Matrix<T> dy, Matrix<T> x, const T* rstd, const T* w) {
  for (int64_t n = 0; n < x.rows; ++n) {
    const T r = rstd[n];
    T mean = 0;
    for (int64_t d = 0; d < x.cols; ++d) mean += dy(n, d) * w[d] * x(n, d);
    mean /= static_cast<T>(x.cols);
    for (int64_t d = 0; d < x.cols; ++d) {
      dx(n, d) += r * dy(n, d) * w[d] - x(n, d) * r * r * r * mean;
      dw[d] += dy(n, d) * x(n, d) * r;
    }
  }
}

}  // namespace spectra::ops::reference
