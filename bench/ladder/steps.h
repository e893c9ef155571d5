// SPDX-License-Identifier: Apache-2.0
#pragma once
// Ways to multiply a ternary matrix in 2 bits (tern2-v2, one segment) with token rows in int8, from plain to final. All give the
// same bits: sums are whole numbers below 2^24, exact in fp32 as well.
#include <cstddef>
#include <cstdint>

#include "kernels/kernels.h"

namespace spectra::ladder {

struct Work {
  kernels::TileSpan w;   ///< whole tiles: rows = 16 tiles
  size_t cols;           ///< whole groups
  const float* weights;  ///< (rows, cols): codes as fp32; null where they were not made
  kernels::Int8Rows x;   ///< stride = cols
  const float* x_fp32;   ///< (tokens, cols): the int8 values as fp32
  float* y;              ///< (tokens, rows)
  size_t rows() const { return w.rows; }
};

/// Multiplies tiles [begin, end) of the work: what one thread does.
using Step = void (*)(const Work& work, size_t begin, size_t end);

void scalar_fp32(const Work& work, size_t begin, size_t end);      ///< weights as fp32, one multiplication after the other
void scalar_packed(const Work& work, size_t begin, size_t end);    ///< two bits at a time
void unpack_then_dot(const Work& work, size_t begin, size_t end);  ///< rows of int8 codes, then dot products of them

/// The dot product of int8 rows as the compiler vectorizes it for AVX2.
int32_t dot_int8(const int8_t* a, const int8_t* b, size_t n);

/// The kernel of AVX-512 VNNI, with its prefetches another number of bytes ahead.
using Tiles = void (*)(float* y, size_t y_stride, const kernels::TileSpan& w, const kernels::Int8Rows& x);
Tiles tiles_ahead_0();
Tiles tiles_ahead_2048();
Tiles tiles_ahead_4096();
Tiles tiles_ahead_8192();
Tiles tiles_ahead_16384();

}  // namespace spectra::ladder
