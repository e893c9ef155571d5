// SPDX-License-Identifier: Apache-2.0
#include "steps.h"

#include <cmath>
#include <vector>

namespace spectra::ladder {
namespace {

constexpr size_t kTileRows = lowbit::kTileRows;
constexpr size_t kGroupColumns = 16, kGroupBytes = 64;  // tern2-v2 in lowbit/packed.h

void store(const Work& work, size_t t, size_t row, float sum) {
  work.y[t * work.rows() + row] = std::fma(work.w.scales[row], sum, 0.0f) * work.x.scales[t];
}

}  // namespace

void scalar_fp32(const Work& work, size_t begin, size_t end) {
  for (size_t row = begin * kTileRows; row < end * kTileRows; ++row)
    for (size_t t = 0; t < work.x.tokens; ++t) {
      float sum = 0.0f;
      for (size_t c = 0; c < work.cols; ++c) sum += work.x_fp32[t * work.cols + c] * work.weights[row * work.cols + c];
      store(work, t, row, sum);
    }
}

void scalar_packed(const Work& work, size_t begin, size_t end) {
  for (size_t row = begin * kTileRows; row < end * kTileRows; ++row) {
    const uint8_t* of_row = work.w.packed + row / kTileRows * work.w.tile_bytes + 4 * (row % kTileRows);
    for (size_t t = 0; t < work.x.tokens; ++t) {
      const int8_t* x = work.x.values + t * work.x.stride;
      int32_t sum = 0;
      for (size_t c = 0; c < work.cols; ++c) {
        const uint8_t byte = of_row[c / kGroupColumns * kGroupBytes + c % 4];
        sum += x[c] * ((byte >> (c % kGroupColumns / 4 * 2) & 3) - 1);
      }
      store(work, t, row, static_cast<float>(sum));
    }
  }
}

void unpack_then_dot(const Work& work, size_t begin, size_t end) {
  std::vector<int8_t> codes(kTileRows * work.cols);
  const auto unpack = kernels::kernels().unpack_tile[static_cast<size_t>(lowbit::Format::kTern2)];
  for (size_t tile = begin; tile < end; ++tile) {
    unpack(codes.data(), work.cols, work.w.packed + tile * work.w.tile_bytes, 1, &work.cols);
    for (size_t t = 0; t < work.x.tokens; ++t)
      for (size_t r = 0; r < kTileRows; ++r)
        store(work, t, tile * kTileRows + r,
              static_cast<float>(dot_int8(work.x.values + t * work.x.stride, codes.data() + r * work.cols, work.cols)));
  }
}

}  // namespace spectra::ladder
