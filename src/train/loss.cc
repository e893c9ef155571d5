// SPDX-License-Identifier: Apache-2.0
#include "train/loss.h"

#include <algorithm>

namespace spectra::train {

using ops::Tensor;

Loss::Loss(const model::Config& config, int64_t tokens, Precision precision, Memory& memory) {
  const int64_t chunk = std::min(tokens, kHeadRows);
  logits_ = memory.tensor(precision.master, chunk, config.vocab);
  dlogits_ = memory.tensor(precision.activation, chunk, config.vocab);
  log_probabilities_ = memory.tensor(precision.master, 1, tokens);
  sum_ = memory.tensor(DType::kF64, 1, 1);
}

template <class PerChunk>
void Loss::each_chunk(ops::Backend& backend, const Inputs& in, bool gradient, float scale, PerChunk&& per_chunk) {
  for (int64_t row = 0; row < in.hidden.rows; row += logits_.rows) {
    const int64_t rows = std::min(logits_.rows, in.hidden.rows - row);
    const Tensor logits = logits_.row_range(0, rows), dlogits = gradient ? dlogits_.row_range(0, rows) : Tensor();
    backend.linear(logits, in.hidden.row_range(row, rows), in.head.weight);
    backend.cross_entropy(sum_, dlogits, log_probabilities_.col_range(row, rows), logits, in.targets.as<int32_t>() + row, scale);
    per_chunk(row, rows, dlogits);
  }
}

void Loss::evaluate(ops::Backend& backend, const Inputs& in) {
  each_chunk(backend, in, false, 0, [](int64_t, int64_t, const Tensor&) {});
}

void Loss::backward(ops::Backend& backend, const Inputs& in, const Tensor& dhidden, float scale) {
  each_chunk(backend, in, true, scale, [&](int64_t row, int64_t rows, const Tensor& dlogits) {
    backend.linear_dw(in.head.gradient, dlogits, in.hidden.row_range(row, rows));
    backend.linear_dx(dhidden.row_range(row, rows), dlogits, in.head.weight);
  });
}

}  // namespace spectra::train
