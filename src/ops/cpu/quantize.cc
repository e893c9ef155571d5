// SPDX-License-Identifier: Apache-2.0
// Weight quantizers: paper table 1 and appendix A.1, one scale per shard (A.4). Two passes over W: the means, then the codes.
#include <cmath>
#include <limits>

#include "ops/cpu/cpu_backend.h"
#include "ops/cpu/pieces.h"

namespace spectra::ops::cpu {
namespace {

struct Sums {
  double absolute = 0, plain = 0;
};

/// A shard as rows and columns of W.
struct Shard {
  int64_t row, rows, col, cols;
};
/// Shard s of `out` inside w, whose codes begin at row_begin.
Shard shard_of(const QuantizedWeight& out, int64_t s, int64_t row_begin, const Tensor& w) {
  const int64_t begin = out.bounds[static_cast<size_t>(s)], count = out.bounds[static_cast<size_t>(s) + 1] - begin;
  return out.by_rows ? Shard{begin - row_begin, count, 0, w.cols} : Shard{0, w.rows, begin, count};
}

Sums means(const Loops& loops, const Tensor& w, const Shard& shard, Sums* per_row) {
  each_row(shard.rows, [&](int64_t r) {
    loops.sums(static_cast<const float*>(at(w, shard.row + r, shard.col)), shard.cols, per_row[r].absolute, per_row[r].plain);
  });
  Sums total;
  for (int64_t r = 0; r < shard.rows; ++r) {
    total.absolute += per_row[r].absolute;
    total.plain += per_row[r].plain;
  }
  const double count = static_cast<double>(shard.rows * shard.cols);
  return {total.absolute / count, total.plain / count};
}

/// The smallest float >= x: a float w is >= x exactly where it is >= this.
float float_above(double x) {
  const float rounded = static_cast<float>(x);
  return static_cast<double>(rounded) < x ? std::nextafter(rounded, std::numeric_limits<float>::infinity()) : rounded;
}

}  // namespace

void CpuBackend::quantize_weight(const QuantizedWeight& out, WeightKind kind, int64_t row_begin, Tensor w, Tensor stats) {
  const Tensor codes = out.codes.row_range(row_begin, w.rows);
  SPECTRA_CHECK(codes.cols == w.cols, "codes {} x {}, weight {} x {}", codes.rows, codes.cols, w.rows, w.cols);
  if (kind == WeightKind::kFloat) return copy(codes, w);
  constexpr double kEpsilon = 1e-5;  // ε of γ, appendix A.1
  const bool ternary = kind == WeightKind::kTernary;
  const auto loop = (ternary ? loops_.ternary_codes : loops_.binary_codes)[type_of(codes)];
  Sums* per_row = partials_.get<Sums>(2 * w.rows);
  CodeCounts* counts = reinterpret_cast<CodeCounts*>(per_row + w.rows);
  QuantizeStats total;
  const ShardRange shards = shards_of(out, row_begin, w.rows);
  for (int64_t s = shards.begin; s < shards.end; ++s) {
    const Shard shard = shard_of(out, s, row_begin, w);
    const Sums mean = means(loops_, w, shard, per_row);
    const float scale = round_to_fp16(static_cast<float>(ternary ? kEpsilon + mean.absolute : mean.absolute));
    const float threshold = ternary ? scale : float_above(mean.plain);
    each_row(shard.rows, [&](int64_t r) {
      const float* from = static_cast<const float*>(at(w, shard.row + r, shard.col));
      counts[r] = loop(at(codes, shard.row + r, shard.col), from, shard.cols, threshold);
    });
    for (int64_t r = 0; r < shard.rows; ++r) total = {total.zeros + counts[r].zeros, total.flips + counts[r].flips};
    out.scales.as<float>()[s] = scale;
  }
  if (stats.data == nullptr) return;
  stats.as<int64_t>()[0] = total.zeros;
  stats.as<int64_t>()[1] = total.flips;
}

}  // namespace spectra::ops::cpu
