// SPDX-License-Identifier: Apache-2.0
// Loss, gradient norm and AdamW.
#include <cmath>
#include <cstring>

#include "ops/cpu/cpu_backend.h"
#include "ops/cpu/pieces.h"

namespace spectra::ops::cpu {

void CpuBackend::cross_entropy(Tensor loss, Tensor dlogits, Tensor logprobs, Tensor logits, const int32_t* targets, float scale) {
  const bool gradient = dlogits.data != nullptr;
  SPECTRA_CHECK(!gradient || dlogits.data != logits.data || dlogits.dtype == logits.dtype, "in place needs equal types");
  const auto loop = loops_.cross_entropy[type_of(logits)][gradient ? type_of(dlogits) : kFloat];
  double* losses = partials_.get<double>(logits.rows);
  float* kept = logprobs.data == nullptr ? nullptr : logprobs.as<float>();
  each_row(logits.rows, [&](int64_t n) {
    losses[n] = 0;
    if (targets[n] >= 0) {
      losses[n] = static_cast<double>(loop(gradient ? row(dlogits, n) : nullptr, row(logits, n), logits.cols, targets[n], scale));
    } else if (gradient) {
      std::memset(row(dlogits, n), 0, static_cast<size_t>(dlogits.cols) * dtype_size(dlogits.dtype));
    }
    if (kept != nullptr) kept[n] = static_cast<float>(-losses[n]);
  });
  double& total = *loss.as<double>();
  for (int64_t n = 0; n < logits.rows; ++n) total += losses[n];
}

void CpuBackend::sum_squares(Tensor out, Tensor x) {
  SPECTRA_CHECK(x.dense());
  const float* values = x.as<float>();
  const int64_t pieces = piece_count(x.size(), kElementsPerPiece);
  double* partial = partials_.get<double>(pieces);
  each_piece(x.size(), kElementsPerPiece,
             [&](int64_t piece, int64_t begin, int64_t end) { partial[piece] = loops_.sum_squares(values + begin, end - begin); });
  double& total = *out.as<double>();
  for (int64_t piece = 0; piece < pieces; ++piece) total += partial[piece];
}

void CpuBackend::adamw(Tensor w, Tensor g, Tensor m, Tensor v, const AdamW& hyper, double norm_squared, float clip) {
  SPECTRA_CHECK(w.dense() && g.dense() && m.dense() && v.dense() && g.size() == w.size());
  if (!std::isfinite(norm_squared)) return zero(g);
  AdamWStep step{hyper.lr, hyper.beta1, hyper.beta2, hyper.eps, hyper.weight_decay, hyper.gradient_scale, 0, 0};
  const double unscale = static_cast<double>(hyper.gradient_scale), norm = unscale * std::sqrt(norm_squared);
  if (clip > 0) step.gradient_scale = static_cast<float>(unscale * std::min(1.0, static_cast<double>(clip) / norm));
  const double steps = static_cast<double>(hyper.step);
  step.correction1 = static_cast<float>(1 / (1 - std::pow(static_cast<double>(hyper.beta1), steps)));
  step.correction2 = static_cast<float>(1 / (1 - std::pow(static_cast<double>(hyper.beta2), steps)));
  float *weight = w.as<float>(), *gradient = g.as<float>(), *first = m.as<float>(), *second = v.as<float>();
  each_piece(w.size(), kElementsPerPiece, [&](int64_t, int64_t begin, int64_t end) {
    loops_.adamw(weight + begin, gradient + begin, first + begin, second + begin, end - begin, step);
  });
}

}  // namespace spectra::ops::cpu
