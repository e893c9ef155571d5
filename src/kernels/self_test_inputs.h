// SPDX-License-Identifier: Apache-2.0
#pragma once
// What the self-test gives to kernels: random numbers, edge cases and shapes. Only for self_test.cc.
#include <vector>

#include "base/rng.h"
#include "kernels/kernels.h"
#include "lowbit/packed.h"

namespace spectra::kernels {

/// A packed matrix of random codes with several segments, and token rows for it.
struct TileInputs {
  lowbit::Layout layout;
  std::vector<uint8_t> packed;
  std::vector<size_t> columns, groups;  ///< (segments)
  std::vector<float> scales;            ///< (tiles, segments, 16)
  size_t tokens = 0, x_stride = 0, y_stride = 0, code_stride = 0;
  std::vector<int8_t> x_i8;
  std::vector<int32_t> sums;
  std::vector<float> x_scales;
  std::vector<bf16> x_bf16;
  double products = 0;   ///< largest sum of absolute products of a result
  std::vector<float> y;  ///< what results overwrite

  TileSpan span() const;
  Int8Rows int8_rows() const { return {x_i8.data(), x_stride, tokens, sums.data(), x_scales.data()}; }
  Bf16Rows bf16_rows() const { return {x_bf16.data(), x_stride, tokens}; }
};

/// At pointers without alignment.
struct Inputs {
  size_t n = 0, tokens = 0, rows = 0, stride = 0, y_stride = 0;
  std::vector<float> x, w;  ///< x: at least tokens * stride + 1, w: rows * stride + 1, both enough for attention
  std::vector<fp16> w_fp16;
  std::vector<bf16> x_bf16, w_bf16;
  std::vector<int8_t> w_i8;
  std::vector<TileInputs> tiles;  ///< one a format
};

/// Lengths n that go through every remainder of the registers.
std::vector<size_t> self_test_lengths();
/// With `edges`, a quarter of the floats are edge values: zeros of both signs, subnormal, tiny, large, ties, the ends of exp.
Inputs make_inputs(size_t n, bool edges, Rng& rng);

}  // namespace spectra::kernels
