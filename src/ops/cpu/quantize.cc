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
Shard shard_of(const QuantizeSpec& spec, size_t s, const Tensor& w) {
  const int64_t begin = spec.bounds[s], count = spec.bounds[s + 1] - begin;
  return spec.by_rows ? Shard{begin, count, 0, w.cols} : Shard{0, w.rows, begin, count};
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

void CpuBackend::quantize_weight(QuantizedWeight& out, const QuantizeSpec& spec, Tensor w, Tensor scales, QuantizeStats* stats) {
  const Tensor codes = out.codes.row_range(spec.row_begin, w.rows);
  SPECTRA_CHECK(codes.cols == w.cols, "codes {} x {}, weight {} x {}", codes.rows, codes.cols, w.rows, w.cols);
  if (spec.kind == WeightKind::kFloat) return copy(codes, w);
  constexpr double kEpsilon = 1e-5;  // ε of γ, appendix A.1
  const bool ternary = spec.kind == WeightKind::kTernary;
  const auto loop = (ternary ? loops_.ternary_codes : loops_.binary_codes)[type_of(codes)];
  float* line_scale = spec.by_rows ? out.row_scale + spec.row_begin : out.col_scale;
  Sums* per_row = partials_.get<Sums>(2 * w.rows);
  CodeCounts* counts = reinterpret_cast<CodeCounts*>(per_row + w.rows);
  QuantizeStats total;
  for (size_t s = 0; s + 1 < spec.bounds.size(); ++s) {
    const Shard shard = shard_of(spec, s, w);
    const Sums mean = means(loops_, w, shard, per_row);
    const float scale = round_to_fp16(static_cast<float>(ternary ? kEpsilon + mean.absolute : mean.absolute));
    const float threshold = ternary ? scale : float_above(mean.plain);
    each_row(shard.rows, [&](int64_t r) {
      const float* from = static_cast<const float*>(at(w, shard.row + r, shard.col));
      counts[r] = loop(at(codes, shard.row + r, shard.col), from, shard.cols, threshold);
    });
    for (int64_t r = 0; r < shard.rows; ++r) total = {total.zeros + counts[r].zeros, total.flips + counts[r].flips};
    std::fill(line_scale + spec.bounds[s], line_scale + spec.bounds[s + 1], scale);
    scales.as<float>()[s] = scale;
  }
  if (stats != nullptr) *stats = total;
}

}  // namespace spectra::ops::cpu
