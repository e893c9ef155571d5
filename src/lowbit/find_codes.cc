// SPDX-License-Identifier: Apache-2.0
#include <cmath>
#include <map>
#include <optional>

#include "base/error.h"
#include "lowbit/packed.h"

namespace spectra::lowbit {
namespace {

constexpr int64_t kMostShards = 64;  // of a foreign model; the paper's largest has 6

/// All rows, or all columns, of a matrix: the one magnitude that the non-zero weights of each have (0: all are zero).
struct Lines {
  explicit Lines(int64_t count) : magnitude(static_cast<size_t>(count), 0.0f) {}
  std::vector<float> magnitude;
  int64_t odd = -1;  ///< the first line seen with two magnitudes; -1 = none

  bool uniform() const { return odd < 0; }
  void see(size_t line, float m) {
    float& known = magnitude[line];
    if (known == 0.0f) known = m;
    if (known != m && uniform()) odd = static_cast<int64_t>(line);
  }
};

/// Scales of the shards that `bounds` cuts the lines into; none when a shard has two.
std::optional<std::vector<float>> shard_scales(const Lines& lines, const std::vector<int64_t>& bounds) {
  if (!lines.uniform()) return std::nullopt;
  std::vector<float> scales;
  for (size_t s = 0; s + 1 < bounds.size(); ++s) {
    float scale = 0.0f;  // stays 0 for a shard of zeros
    for (auto i = static_cast<size_t>(bounds[s]); i < static_cast<size_t>(bounds[s + 1]); ++i) {
      const float m = lines.magnitude[i];
      if (scale == 0.0f) scale = m;
      if (m != 0.0f && m != scale) return std::nullopt;
    }
    scales.push_back(scale);
  }
  return scales;
}

std::vector<int64_t> equal_cuts(int64_t length, int64_t shards) {
  std::vector<int64_t> bounds;
  for (int64_t s = 0; s <= shards; ++s) bounds.push_back(length * s / shards);
  return bounds;
}

/// A new shard wherever the magnitude changes; lines of zeros stay with the shard before them.
std::vector<int64_t> cuts_at_changes(const Lines& lines) {
  std::vector<int64_t> bounds = {0};
  float current = 0.0f;
  for (size_t i = 0; i < lines.magnitude.size(); ++i) {
    const float m = lines.magnitude[i];
    if (m == 0.0f || m == current) continue;
    if (current != 0.0f) bounds.push_back(static_cast<int64_t>(i));
    current = m;
  }
  bounds.push_back(static_cast<int64_t>(lines.magnitude.size()));
  return bounds;
}

[[noreturn]] void refuse(const std::string& name, bool binary, const std::string& why) {
  throw bad_input(fmt::format("{} is not {}: {}", name, binary ? "binary" : "ternary", why),
                  fmt::format("a {} matrix holds {}±one scale for each shard of rows or columns; only models trained so can be "
                              "packed without changing them",
                              binary ? "binary" : "ternary", binary ? "" : "0 and "));
}

/// Names the first weight of a line that has another magnitude than most of the line.
[[noreturn]] void refuse_line(const float* w, int64_t rows, int64_t cols, ShardAxis axis, int64_t line, bool binary,
                              const std::string& name) {
  const bool row = axis == ShardAxis::kRows;
  const int64_t length = row ? cols : rows;
  const auto weight = [&](int64_t i) { return row ? w[line * cols + i] : w[i * cols + line]; };
  std::map<float, int64_t> counts;
  for (int64_t i = 0; i < length; ++i)
    if (weight(i) != 0.0f) ++counts[std::fabs(weight(i))];
  float scale = 0.0f;  // the most frequent magnitude; of equals, the first one met
  for (int64_t i = 0; i < length; ++i)
    if (weight(i) != 0.0f && counts[std::fabs(weight(i))] > counts[scale]) scale = std::fabs(weight(i));
  int64_t odd = 0;
  while (weight(odd) == 0.0f || std::fabs(weight(odd)) == scale) ++odd;
  refuse(name, binary,
         fmt::format("weight [{}, {}] is {}, but its {} has ±{}", row ? line : odd, row ? odd : line, weight(odd),
                     row ? "row" : "column", scale));
}

/// Looks at every weight once. Throws where one cannot be in any low-bit matrix.
void scan(const float* w, int64_t rows, int64_t cols, bool binary, const std::string& name, Lines& by_row, Lines& by_col) {
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t c = 0; c < cols; ++c) {
      const float m = std::fabs(w[r * cols + c]);
      if (!std::isfinite(m)) refuse(name, binary, fmt::format("weight [{}, {}] is {}", r, c, w[r * cols + c]));
      if (m == 0.0f) {
        if (binary) refuse(name, binary, fmt::format("weight [{}, {}] is 0 (the 2bit and 1.6bit formats hold zeros)", r, c));
        continue;
      }
      by_row.see(static_cast<size_t>(r), m);
      by_col.see(static_cast<size_t>(c), m);
    }
    if (!by_row.uniform() && !by_col.uniform()) return;
  }
}

struct Cut {
  ShardAxis axis;
  std::vector<int64_t> bounds;
  std::vector<float> scales;
};

std::optional<Cut> find_cut(const Lines& by_row, const Lines& by_col, ShardAxis axis, int64_t shards) {
  const ShardAxis other = axis == ShardAxis::kRows ? ShardAxis::kColumns : ShardAxis::kRows;
  const auto lines = [&](ShardAxis a) -> const Lines& { return a == ShardAxis::kRows ? by_row : by_col; };
  for (const bool equal : {true, false}) {
    for (const ShardAxis a : {axis, other}) {
      const auto length = static_cast<int64_t>(lines(a).magnitude.size());
      if (!lines(a).uniform() || (equal && length < shards)) continue;
      std::vector<int64_t> bounds = equal ? equal_cuts(length, shards) : cuts_at_changes(lines(a));
      if (!equal && static_cast<int64_t>(bounds.size()) > kMostShards + 1) continue;
      if (std::optional<std::vector<float>> scales = shard_scales(lines(a), bounds))
        return Cut{a, std::move(bounds), std::move(*scales)};
    }
  }
  return std::nullopt;
}

}  // namespace

Codes find_codes(const float* w, int64_t rows, int64_t cols, ShardAxis axis, int64_t shards, bool binary, const std::string& name) {
  SPECTRA_CHECK(rows > 0 && cols > 0 && shards > 0, "rows={} cols={} shards={}", rows, cols, shards);
  Lines by_row(rows), by_col(cols);
  scan(w, rows, cols, binary, name, by_row, by_col);
  std::optional<Cut> cut = find_cut(by_row, by_col, axis, shards);
  if (!cut) {
    const Lines& lines = axis == ShardAxis::kRows ? by_row : by_col;
    if (lines.uniform()) refuse(name, binary, fmt::format("its scale changes at more than {} places", kMostShards - 1));
    refuse_line(w, rows, cols, axis, lines.odd, binary, name);
  }
  Codes result{rows, cols, cut->axis, std::move(cut->bounds), std::move(cut->scales), {}, 0};
  result.codes.resize(static_cast<size_t>(rows * cols));
  for (size_t i = 0; i < result.codes.size(); ++i) {
    result.codes[i] = static_cast<int8_t>((w[i] > 0.0f) - (w[i] < 0.0f));
    if (w[i] == 0.0f && std::signbit(w[i])) ++result.negative_zeros;
  }
  return result;
}

void expand(const Codes& codes, float* w) {
  const bool by_rows = codes.axis == ShardAxis::kRows;
  for (size_t s = 0; s + 1 < codes.bounds.size(); ++s) {
    const float values[3] = {-codes.scales[s], 0.0f, codes.scales[s]};
    const int64_t begin = codes.bounds[s], end = codes.bounds[s + 1];
    for (int64_t r = by_rows ? begin : 0; r < (by_rows ? end : codes.rows); ++r)
      for (int64_t c = by_rows ? 0 : begin; c < (by_rows ? codes.cols : end); ++c)
        w[r * codes.cols + c] = values[codes.codes[static_cast<size_t>(r * codes.cols + c)] + 1];
  }
}

}  // namespace spectra::lowbit
