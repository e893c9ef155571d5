// SPDX-License-Identifier: Apache-2.0
#pragma once
// Gated linear units (Shazeer 2020, equations 5 and 6): h = f(gate) * up.
#include <algorithm>
#include <cmath>

#include "ops/backend.h"
#include "ops/reference/matrix.h"

namespace spectra::ops::reference {

template <class T>
T sigmoid(T x) {
  return 1 / (1 + std::exp(-x));
}

/// f at one gate: d f(gate) and d f'(gate). f = g σ(g), f' = σ(g) (1 + g (1 - σ(g))).
template <class T>
struct Silu {
  explicit Silu(T gate) : g(gate), s(sigmoid(gate)) {}
  T value(T d) const { return d * g * s; }
  T slope(T d) const { return d * s * (1 + g * (1 - s)); }
  T g, s;
};

/// f = max(g, 0)² (So et al. 2021).
template <class T>
struct Relu2 {
  explicit Relu2(T gate) : g(std::max(gate, T{0})) {}
  T value(T d) const { return d * g * g; }
  T slope(T d) const { return d * 2 * g; }
  T g;
};

/// f = g Φ(g) with the normal distribution Φ (Hendrycks & Gimpel 2016), f' = Φ(g) + g Φ'(g).
template <class T>
struct Gelu {
  explicit Gelu(T gate)
      : g(gate),
        below((1 + std::erf(gate * static_cast<T>(0.70710678118654752440))) / 2),
        density(static_cast<T>(0.39894228040143267794) * std::exp(-gate * gate / 2)) {}
  T value(T d) const { return d * g * below; }
  T slope(T d) const { return d * (below + g * density); }
  T g, below, density;
};

template <template <class> class F, class T>
void glu_as(Matrix<T> h, Matrix<T> gate_up) {
  for (int64_t n = 0; n < h.rows; ++n)
    for (int64_t f = 0; f < h.cols; ++f) h(n, f) = F<T>(gate_up(n, f)).value(1) * gate_up(n, h.cols + f);
}

template <template <class> class F, class T>
void glu_backward_as(Matrix<T> dgate_up, Matrix<T> dh, Matrix<T> gate_up) {
  for (int64_t n = 0; n < dh.rows; ++n) {
    for (int64_t f = 0; f < dh.cols; ++f) {
      const F<T> gate(gate_up(n, f));
      const T up = gate_up(n, dh.cols + f);
      dgate_up(n, f) = gate.slope(dh(n, f) * up);
      dgate_up(n, dh.cols + f) = gate.value(dh(n, f));
    }
  }
}

template <class T>
void glu(Matrix<T> h, Matrix<T> gate_up, Gate gate) {
  switch (gate) {
    case Gate::kSilu:
      return glu_as<Silu>(h, gate_up);
    case Gate::kRelu2:
      return glu_as<Relu2>(h, gate_up);
    case Gate::kGelu:
      return glu_as<Gelu>(h, gate_up);
  }
}

template <class T>
void glu_backward(Matrix<T> dgate_up, Matrix<T> dh, Matrix<T> gate_up, Gate gate) {
  switch (gate) {
    case Gate::kSilu:
      return glu_backward_as<Silu>(dgate_up, dh, gate_up);
    case Gate::kRelu2:
      return glu_backward_as<Relu2>(dgate_up, dh, gate_up);
    case Gate::kGelu:
      return glu_backward_as<Gelu>(dgate_up, dh, gate_up);
  }
}

}  // namespace spectra::ops::reference
