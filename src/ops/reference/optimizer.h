// SPDX-License-Identifier: Apache-2.0
#pragma once
// AdamW (Loshchilov & Hutter 2019, algorithm 2) after clipping by the global gradient norm (Pascanu et al. 2013).
#include <algorithm>
#include <cmath>

#include "ops/backend.h"
#include "ops/reference/matrix.h"

namespace spectra::ops::reference {

template <class T>
double sum_squares(Matrix<T> x) {
  double sum = 0;
  for (int64_t r = 0; r < x.rows; ++r) {
    for (int64_t c = 0; c < x.cols; ++c) sum += static_cast<double>(x(r, c)) * static_cast<double>(x(r, c));
  }
  return sum;
}

template <class T>
struct Moments {
  Matrix<T> first, second;
};

/// `norm_squared` not finite: only g is zeroed, so that an overflowing micro-batch is skipped.
template <class T>
void adamw(Matrix<T> w, Matrix<T> g, const Moments<T>& moments, const AdamW& hyper, double norm_squared, double clip) {
  const bool finite = std::isfinite(norm_squared);
  const double unscale = static_cast<double>(hyper.gradient_scale), norm = unscale * std::sqrt(norm_squared);
  const T factor = static_cast<T>(clip > 0 ? unscale * std::min(1.0, clip / norm) : unscale);
  const T beta1 = static_cast<T>(hyper.beta1), beta2 = static_cast<T>(hyper.beta2), eps = static_cast<T>(hyper.eps);
  const T lr = static_cast<T>(hyper.lr), decay = static_cast<T>(hyper.weight_decay);
  // 1 - beta^t in double: in float it would lose digits at the first steps.
  const double steps = static_cast<double>(hyper.step);
  const T correction1 = static_cast<T>(1 - std::pow(static_cast<double>(hyper.beta1), steps));
  const T correction2 = static_cast<T>(1 - std::pow(static_cast<double>(hyper.beta2), steps));
  for (int64_t r = 0; r < w.rows; ++r) {
    for (int64_t c = 0; finite && c < w.cols; ++c) {
      const T gradient = g(r, c) * factor;
      T &m = moments.first(r, c), &v = moments.second(r, c);
      m = beta1 * m + (1 - beta1) * gradient;
      v = beta2 * v + (1 - beta2) * gradient * gradient;
      w(r, c) -= lr * (m / correction1 / (std::sqrt(v / correction2) + eps) + decay * w(r, c));
    }
    std::fill_n(g.row(r), g.cols, T(0));
  }
}

}  // namespace spectra::ops::reference
