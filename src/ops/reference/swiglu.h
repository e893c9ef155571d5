// SPDX-License-Identifier: Apache-2.0
#pragma once
// SwiGLU (Shazeer 2020, equation 5): h = silu(gate) * up, silu(g) = g σ(g).
#include <cmath>

#include "ops/reference/matrix.h"

namespace spectra::ops::reference {

template <class T>
T sigmoid(T x) {
  return 1 / (1 + std::exp(-x));
}

template <class T>
void swiglu(Matrix<T> h, Matrix<T> gate_up) {
  for (int64_t n = 0; n < h.rows; ++n) {
    for (int64_t f = 0; f < h.cols; ++f) {
      const T gate = gate_up(n, f), up = gate_up(n, h.cols + f);
      h(n, f) = gate * sigmoid(gate) * up;
    }
  }
}

/// d silu(g) / dg = σ(g) (1 + g (1 - σ(g)))
template <class T>
void swiglu_backward(Matrix<T> dgate_up, Matrix<T> dh, Matrix<T> gate_up) {
  for (int64_t n = 0; n < dh.rows; ++n) {
    for (int64_t f = 0; f < dh.cols; ++f) {
      const T gate = gate_up(n, f), up = gate_up(n, dh.cols + f), s = sigmoid(gate);
      dgate_up(n, f) = dh(n, f) * up * s * (1 + gate * (1 - s));
      dgate_up(n, dh.cols + f) = dh(n, f) * gate * s;
    }
  }
}

}  // namespace spectra::ops::reference
