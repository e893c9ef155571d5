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
void quantize_weight(const QuantizedWeight& out, WeightKind kind, int64_t row_begin, Tensor w, Tensor stats) {
  const Tensor codes = out.codes.row_range(row_begin, w.rows);
  SPECTRA_CHECK(codes.cols == w.cols, "codes {} x {}, weight {} x {}", codes.rows, codes.cols, w.rows, w.cols);
  if (kind == WeightKind::kFloat) {
    for (int64_t r = 0; r < w.rows; ++r) std::copy_n(matrix<T>(w).row(r), w.cols, matrix<T>(codes).row(r));
    return;
  }
  QuantizeStats counted;
  const ShardRange shards = shards_of(out, row_begin, w.rows);
  for (int64_t s = shards.begin; s < shards.end; ++s) {
    const int64_t first = out.bounds[static_cast<size_t>(s)], count = out.bounds[static_cast<size_t>(s) + 1] - first;
    const auto shard = [&](Tensor all) {
      return matrix<T>(out.by_rows ? all.row_range(first - row_begin, count) : all.col_range(first, count));
    };
    out.scales.as<T>()[s] = static_cast<T>(quantize_shard(kind, shard(codes), shard(w), counted));
  }
  if (stats.data == nullptr) return;
  stats.as<int64_t>()[0] = counted.zeros;
  stats.as<int64_t>()[1] = counted.flips;
}

}  // namespace spectra::ops::reference
