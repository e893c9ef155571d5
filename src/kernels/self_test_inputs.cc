// SPDX-License-Identifier: Apache-2.0
#include "kernels/self_test_inputs.h"

#include <algorithm>
#include <cmath>
#include <iterator>

namespace spectra::kernels {
namespace {

using lowbit::Format;

constexpr size_t kSpare = 160 * 64;  // floats that attention may read beyond the rows

float edge_value(Rng& rng) {
  static constexpr float kEdges[] = {0.0f,   -0.0f,    1e-45f,    -1e-40f,  1.1754944e-38f, 3e-30f,  -1e15f, 1e15f,
                                     0.5f,   -1.5f,    2.5f,      126.5f,   -127.0f,        1.0f,    -1.0f,  88.7228f,
                                     88.73f, -87.336f, -87.3366f, -103.97f, -1e30f,         65504.0f};
  return kEdges[rng.below(std::size(kEdges))];
}

int8_t random_code(Format format, Rng& rng) {
  const int offset = lowbit::code_offset(format), step = lowbit::code_step(format);
  const bool ternary = format == Format::kTern2 || format == Format::kTern1_6;
  const auto values = static_cast<uint64_t>(ternary ? 3 : step == 2 ? 2 : 2 * offset);
  return static_cast<int8_t>(static_cast<int>(rng.below(values)) * step - offset);
}

/// 0 < ... < cols in up to four segments.
std::vector<int64_t> random_segments(int64_t cols, Rng& rng) {
  std::vector<int64_t> bounds = {0, cols};
  for (uint64_t cuts = rng.below(4); cuts > 0 && cols > 1; --cuts)
    bounds.push_back(1 + static_cast<int64_t>(rng.below(static_cast<uint64_t>(cols - 1))));
  std::sort(bounds.begin(), bounds.end());
  bounds.erase(std::unique(bounds.begin(), bounds.end()), bounds.end());
  return bounds;
}

void fill_rows(TileInputs& in, Rng& rng) {
  const auto width = static_cast<size_t>(lowbit::group_columns(in.layout.format));
  for (const size_t groups : in.groups) in.x_stride += groups * width;
  in.x_stride += 5;
  in.x_i8.assign(in.tokens * in.x_stride, 0);
  in.x_bf16.assign(in.tokens * in.x_stride, bf16{0});
  for (size_t t = 0; t < in.tokens; ++t) {
    in.x_scales.push_back(static_cast<float>(rng.uniform()));
    size_t at = t * in.x_stride;
    double magnitudes = 0;
    for (size_t s = 0; s < in.columns.size(); at += in.groups[s++] * width) {
      int32_t sum = 0;
      for (size_t c = 0; c < in.columns[s]; ++c) {
        in.x_i8[at + c] = static_cast<int8_t>(static_cast<int>(rng.below(255)) - 127);
        in.x_bf16[at + c] = to_bf16(static_cast<float>(rng.uniform() - 0.5));
        sum += in.x_i8[at + c];
        magnitudes += std::fabs(to_float(in.x_bf16[at + c]));
      }
      in.sums.push_back(sum);
    }
    in.products = std::max(in.products, magnitudes * lowbit::code_offset(in.layout.format));
  }
}

TileInputs make_tiles(Format format, size_t n, Rng& rng) {
  TileInputs in;
  const auto cols = static_cast<int64_t>(n + 1), rows = static_cast<int64_t>(1 + rng.below(70));
  in.layout = {format, rows, cols, random_segments(cols, rng)};
  const int64_t width = lowbit::group_columns(format);
  for (size_t s = 0; s + 1 < in.layout.segments.size(); ++s) {
    const int64_t here = in.layout.segments[s + 1] - in.layout.segments[s];
    in.columns.push_back(static_cast<size_t>(here));
    in.groups.push_back(static_cast<size_t>((here + width - 1) / width));
  }
  in.packed.resize(static_cast<size_t>(in.layout.bytes()));
  std::vector<int8_t> codes(static_cast<size_t>(lowbit::kTileRows * cols));
  for (int64_t tile = 0; tile < in.layout.tiles(); ++tile) {
    std::generate(codes.begin(), codes.end(), [&] { return random_code(format, rng); });
    lowbit::pack_tile(in.layout, tile, codes.data(), in.packed.data() + tile * in.layout.tile_bytes());
  }
  const size_t padded = static_cast<size_t>(in.layout.tiles()) * lowbit::kTileRows;
  for (size_t i = 0; i < in.columns.size() * padded; ++i) in.scales.push_back(static_cast<float>(0.1 + rng.uniform()));
  in.tokens = 1 + rng.below(19);
  in.code_stride = n + 3;
  in.y_stride = static_cast<size_t>(rows) + 2;
  in.y.assign(in.tokens * in.y_stride, 7.0f);
  fill_rows(in, rng);
  return in;
}

}  // namespace

TileSpan TileInputs::span() const {
  const auto tile_count = static_cast<size_t>(layout.tiles());
  return {packed.data(),  static_cast<size_t>(layout.tile_bytes()),
          tile_count,     static_cast<size_t>(layout.rows),
          columns.size(), groups.data(),
          scales.data(),  packed.data()};
}

std::vector<size_t> self_test_lengths() {
  std::vector<size_t> lengths = {255, 256, 257, 319, 320, 321, 400, 1000, 1023};
  for (size_t n = 0; n <= 130; ++n) lengths.push_back(n);
  return lengths;
}

Inputs make_inputs(size_t n, bool edges, Rng& rng) {
  Inputs in;
  in.n = n;
  in.tokens = 1 + rng.below(6);
  in.rows = 1 + rng.below(9);
  in.stride = n + 3;
  in.y_stride = in.rows + 1;
  const auto number = [&] {
    if (edges && rng.below(4) == 0) return edge_value(rng);
    return static_cast<float>((rng.uniform() - 0.5) * 16.0);
  };
  for (size_t i = 0; i < in.tokens * in.stride + 1 + 6 * 160; ++i) {
    in.x.push_back(number());
    in.x_bf16.push_back(to_bf16(static_cast<float>(rng.uniform() - 0.5)));
  }
  for (size_t i = 0; i < in.rows * in.stride + 1 + kSpare; ++i) {
    in.w.push_back(number());
    in.w_fp16.push_back(to_fp16(std::clamp(in.w.back(), -65504.0f, 65504.0f)));
    in.w_bf16.push_back(to_bf16(static_cast<float>(rng.uniform() - 0.5)));
    in.w_i8.push_back(static_cast<int8_t>(static_cast<int>(rng.below(256)) - 128));
  }
  for (size_t f = 0; f < lowbit::kFormats; ++f) in.tiles.push_back(make_tiles(static_cast<Format>(f), n, rng));
  return in;
}

}  // namespace spectra::kernels
