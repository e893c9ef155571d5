// SPDX-License-Identifier: Apache-2.0
#pragma once
// From a weight matrix and the factor of its inputs to codes and scales.
#include "lowbit/quantized.h"
#include "quantize/factor.h"
#include "quantize/options.h"

namespace spectra::quantize {

struct Solved {
  lowbit::QuantizedMatrix matrix;
  double error = 0;     ///< Σ err² of GPTQ = tr((T - Q) (H + damping) (T - Q)ᵀ) with the target T; 0 for rtn without a factor
  int64_t clipped = 0;  ///< weights that lay beyond the grid when they were rounded
  double squared_difference = 0, squared_weights = 0;  ///< Σ (W - Q)² and Σ W²
};

/// Quantizes w (rows, cols), row-major. `factor` may be nullptr for rtn.
///
/// gptq works through the columns in factor->order; a rounding error, divided by the diagonal of U, is subtracted from the columns
/// after it along the row of U. Group scales come from the weights as they are when the group's first column is reached, with all
/// earlier errors in them. The authors' code, for groups that are no multiple of 128, takes weights that lack the errors of the
/// current block of 128 columns, and halves the scale of groups without a negative weight: reference_scales does so.
///
/// gptaq does the same with the target T = W + W G (H + damping)^-1 instead of W, the real-valued minimum of
/// |W X̃ - T X|² + damping |W - T|²: since |W X̃ - Q X|² and |(T - Q) X|² differ by a constant, this is GPTQ's own problem.
///
/// Rows are independent and cut into pieces of fixed size, so results do not depend on the threads. Throws Error (exit 3) naming
/// `where` for weights that are not finite or whose scale fp16 cannot hold.
Solved solve(const float* w, int64_t rows, int64_t cols, const Factor* factor, const Options& options, const std::string& where);

/// tr(A H Aᵀ) of A (rows, cols) = w, or w - q where q is given: the squared norm of the layer's output (or of its error). H as in
/// Moments.
double output_energy(const float* w, const lowbit::QuantizedMatrix* q, int64_t rows, int64_t cols, const float* hessian);

}  // namespace spectra::quantize
