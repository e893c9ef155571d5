// SPDX-License-Identifier: Apache-2.0
#pragma once
// What GPTQ needs of the inputs of a linear layer, computed once for all layers that read them (q, k, v; gate, up).
#include <cstdint>
#include <string>
#include <vector>

#include "quantize/options.h"

namespace spectra::quantize {

/// Second moments of the inputs x (C) of a linear layer: H = Σ x xᵀ, and for gptaq Σ x̃ xᵀ with the inputs x̃ that the
/// full-precision model has there.
struct Moments {
  int64_t size = 0;               ///< C
  const float* inputs = nullptr;  ///< (C, C) H
  const float* mixed = nullptr;   ///< (C, C) [i][j] = Σ x̃_i x_j, or nullptr
};

struct Factor {
  int64_t size = 0;  ///< C
  std::vector<double>
      upper;  ///< (C, C) U, upper triangular, Uᵀ U = (H + damping I)^-1 in the order below; zeros below the diagonal
  std::vector<double> shift;   ///< (C, C) G = Σ (x̃ - x) xᵀ in the order below, or empty
  std::vector<int32_t> order;  ///< (C): the column that is worked on i-th
  std::vector<bool> dead;      ///< (C), by column: never an input, so its weights become 0
  double damp = 0;             ///< the share that was added in the end, Options::damp or more
  double damping = 0;          ///< damp * mean diagonal
};

/// Order, damping and Cholesky factor. Where H + damping is not positive definite in fp64, damping is raised step by step: a
/// warning names `where`. Throws Error (exit 3) where H is not finite.
Factor factorize(const Moments& moments, const Options& options, const std::string& where);

}  // namespace spectra::quantize
