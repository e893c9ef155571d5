// SPDX-License-Identifier: Apache-2.0
#pragma once
// Weight quantizers: paper table 1 and appendix A.1, one scale per model-parallel shard (A.4).
#include <algorithm>
#include <cmath>

#include "ops/backend.h"
#include "ops/reference/matrix.h"

namespace spectra::ops::reference {

/// Ŵ = round(min(max(W/γ, -1), 1)), half to even as in PyTorch: a weight of exactly γ/2 becomes 0.
template <class T>
T ternary_code(T w, T gamma) {
  return std::nearbyint(std::clamp(w / gamma, T(-1), T(1)));
}

/// sign(W - mean W), with sign(0) = +1 so that a code is never 0.
template <class T>
T binary_code(T w, double mean) {
  return static_cast<double>(w) - mean >= 0 ? T(1) : T(-1);
}

struct ShardMeans {
  double value, magnitude;  ///< mean W, mean |W|
};
template <class T>
ShardMeans shard_means(Matrix<T> w) {
  double sum = 0, magnitudes = 0;
  for (int64_t r = 0; r < w.rows; ++r) {
    for (int64_t c = 0; c < w.cols; ++c) {
      sum += static_cast<double>(w(r, c));
      magnitudes += std::fabs(static_cast<double>(w(r, c)));
    }
  }
  const double count = static_cast<double>(w.rows * w.cols);
  return {sum / count, magnitudes / count};
}

/// γ or α, which fp16 holds exactly.
inline float shard_scale(WeightKind kind, const ShardMeans& mean) {
  constexpr double kEpsilon = 1e-5;  // ε of γ, appendix A.1
  return round_to_fp16(static_cast<float>(kind == WeightKind::kTernary ? kEpsilon + mean.magnitude : mean.magnitude));
}

/// Quantizes one shard in place of its codes and returns its scale.
template <class T>
float quantize_shard(WeightKind kind, Matrix<T> codes, Matrix<T> w, QuantizeStats& stats) {
  const ShardMeans mean = shard_means(w);
  const bool ternary = kind == WeightKind::kTernary;
  const float scale = shard_scale(kind, mean);
  for (int64_t r = 0; r < w.rows; ++r) {
    for (int64_t c = 0; c < w.cols; ++c) {
      const T code = ternary ? ternary_code(w(r, c), static_cast<T>(scale)) : binary_code(w(r, c), mean.value);
      stats.zeros += code == T(0);
      stats.flips += code != codes(r, c);
      codes(r, c) = code;
    }
  }
  return scale;
}

template <class T>
void quantize_weight(QuantizedWeight& out, const QuantizeSpec& spec, Tensor w, Tensor scales, QuantizeStats* stats) {
  const Tensor codes = out.codes.row_range(spec.row_begin, w.rows);
  SPECTRA_CHECK(codes.cols == w.cols, "codes {} x {}, weight {} x {}", codes.rows, codes.cols, w.rows, w.cols);
  if (spec.kind == WeightKind::kFloat) {
    for (int64_t r = 0; r < w.rows; ++r) std::copy_n(matrix<T>(w).row(r), w.cols, matrix<T>(codes).row(r));
    return;
  }
  QuantizeStats counted;
  for (size_t s = 0; s + 1 < spec.bounds.size(); ++s) {
    const int64_t begin = spec.bounds[s], count = spec.bounds[s + 1] - begin;
    const auto shard = [&](Tensor all) {
      return matrix<T>(spec.by_rows ? all.row_range(begin, count) : all.col_range(begin, count));
    };
    const float scale = quantize_shard(spec.kind, shard(codes), shard(w), counted);
    float* per_line = spec.by_rows ? out.row_scale + spec.row_begin : out.col_scale;
    std::fill_n(per_line + begin, count, scale);
    scales.as<T>()[s] = static_cast<T>(scale);
  }
  if (stats != nullptr) *stats = counted;
}

}  // namespace spectra::ops::reference
