// SPDX-License-Identifier: Apache-2.0
#pragma once
// Inner loops of inference, one table per instruction set. The scalar table is the specification; the others equal it bitwise,
// except those of bf16 activations (matmul_bf16*, matmul_tiles_bf16: within 1e-5 of the sum of absolute products), so results do
// not depend on the machine.
//
// How fp32 sums are made in dot products: element i goes to lane i % 16, each lane adds its products in ascending order with one
// fused multiply-add each, missing elements of the last 16 count as zeros; then lanes are added as a tree: l + (l+8), l + (l+4),
// l + (l+2), l + (l+1). Attention adds in ascending order (see there). exp is one polynomial (kernels/exp.h) evaluated with fused
// multiply-adds. Inputs are finite, pointers need no alignment, counts may be any number (also 0).
#include <cstddef>
#include <cstdint>

#include "base/half.h"
#include "kernels/isa.h"
#include "lowbit/format.h"

namespace spectra::kernels {

/// Successive tiles of a packed matrix (lowbit/packed.h) with the scales of their rows.
struct TileSpan {
  const uint8_t* packed;  ///< the first tile
  size_t tile_bytes, tiles;
  size_t rows;           ///< that exist: 16 (tiles - 1) < rows <= 16 tiles
  size_t segments;       ///< of the columns
  const size_t* groups;  ///< (segments): groups of columns in each
  const float* scales;   ///< (tiles, segments, 16): read in the order of the codes
  const uint8_t* next;   ///< what will be read after these tiles, so that it is on its way in time
};
/// Token rows rounded to int8: x = scale * value. Columns lie as in a packed matrix: each segment filled up to whole groups of
/// columns with zeros.
struct Int8Rows {
  const int8_t* values;  ///< (tokens, stride)
  size_t stride, tokens;
  const int32_t* sums;  ///< (tokens, segments): of the values of each segment
  const float* scales;  ///< (tokens)
};
/// The same as bf16.
struct Bf16Rows {
  const bf16* values;  ///< (tokens, stride)
  size_t stride, tokens;
};

using Busy = double (*)(size_t rounds);

/// y[t * y_stride + r] = x row t . w row r, for t < tokens and r < rows, over n columns.
template <class X, class W>
using Matmul = void (*)(float* y, size_t y_stride, const X* x, size_t x_stride, size_t tokens, const W* w, size_t w_stride,
                        size_t rows, size_t n);

/// Keys and values of one head in up to 64 positions, a page of the cache (infer/kv_pages.h).
///   keys    blocks of 16 positions: (blocks, E, 16), so that 16 scores come out side by side
///   values  (positions, V): V = E rounded up to 16, filled up with zeros
/// T: float, fp16 or int8; int8 has a scale for each position's key and value (null otherwise).
template <class T>
struct Attention {
  /// scores[q * stride + j] = (Σ_e query[q * query_stride + e] * key[j, e]) * scale[j], fused multiply-adds in ascending e;
  /// whole blocks: j < 16 blocks.
  void (*scores)(float* scores, size_t stride, const float* query, size_t query_stride, size_t queries, const T* keys,
                 const float* scale, size_t head_dim, size_t blocks);
  /// out[q * out_stride + v] += Σ_j (p[q * stride + j] * scale[j]) * value[j, v], v < V, fused multiply-adds in ascending j.
  void (*values)(float* out, size_t out_stride, const float* p, size_t stride, size_t queries, const T* values, const float* scale,
                 size_t width, size_t positions);
};

struct Kernels {
  const char* name;  ///< "scalar", "avx2", "avx512 (vnni, vbmi, bf16)"

  // --- dense matrices -------------------------------------------------------------------------------------------------
  Matmul<float, float> matmul_f32;
  Matmul<float, fp16> matmul_f32_fp16;
  Matmul<float, bf16> matmul_f32_bf16;
  Matmul<float, int8_t> matmul_f32_i8;  ///< codes as exact floats
  Matmul<bf16, bf16> matmul_bf16;
  Matmul<bf16, int8_t> matmul_bf16_i8;

  // --- packed matrices, one entry a lowbit::Format ---------------------------------------------------------------------
  /// y[t * y_stride + r] = scale of t * (Σ_s scale of (s, r) * (int8 values . codes of row r in segment s)): int32 sums, then
  /// one fused multiply-add for each segment in ascending order from 0, then one product.
  void (*matmul_tiles_i8[lowbit::kFormats])(float* y, size_t y_stride, const TileSpan& w, const Int8Rows& x);
  /// The same of bf16 values with fp32 sums; null where there are no instructions for it (matmul_bf16_i8 does the work then).
  void (*matmul_tiles_bf16[lowbit::kFormats])(float* y, size_t y_stride, const TileSpan& w, const Bf16Rows& x);
  /// Codes of one tile, (16, stride): column c of a segment that begins at column b goes to b + c. `columns` (segments).
  void (*unpack_tile[lowbit::kFormats])(int8_t* codes, size_t stride, const uint8_t* packed, size_t segments,
                                        const size_t* columns);

  // --- attention ------------------------------------------------------------------------------------------------------
  Attention<float> attention_f32;
  Attention<fp16> attention_fp16;
  Attention<int8_t> attention_i8;

  // --- elementwise and rows -------------------------------------------------------------------------------------------
  /// Turns pairs (i, i + half) of a head: (a cos - b sin, b cos + a sin) * scale, each operation rounded.
  void (*rope)(float* head, const float* cos, const float* sin, size_t half, float scale);
  void (*add)(float* y, const float* x, size_t n);                                 ///< y += x
  void (*rmsnorm)(float* y, const float* x, const float* w, size_t n, float eps);  ///< y = x * (1/sqrt(mean x² + eps)) * w
  void (*silu_mul)(float* h, const float* gate, const float* up, size_t n);   ///< h = gate / (1 + exp(-gate)) * up; h may be gate
  void (*relu2_mul)(float* h, const float* gate, const float* up, size_t n);  ///< h = max(gate, 0)² * up; h may be gate
  /// h = gate Φ(gate) * up, Φ the normal distribution (kernels/gelu.h); h may be gate.
  void (*gelu_mul)(float* h, const float* gate, const float* up, size_t n);
  void (*softmax)(float* x, size_t n);                 ///< in place, max subtracted
  float (*log_sum_exp)(const float* x, size_t n);      ///< n > 0
  void (*to_bf16)(bf16* y, const float* x, size_t n);  ///< nearest even
  void (*to_fp16)(fp16* y, const float* x, size_t n);  ///< nearest even
  float (*absmax)(const float* x, size_t n);           ///< 0 for n = 0
  /// q = round half even(x / scale) within ±127, all 0 where scale is 0; returns Σ q.
  int32_t (*quantize_i8)(int8_t* q, const float* x, size_t n, float scale);

  // --- the limit of arithmetic ----------------------------------------------------------------------------------------
  /// Does `rounds` rounds of the multiply-adds above on registers only, and returns the operations (multiplications and additions).
  /// Null where there are no instructions for them.
  Busy busy_i8, busy_bf16, busy_f32;
};

/// The table of one instruction set; `isa` must be in available_isas(). Instructions beyond the set (VNNI, VBMI, BF16) are used
/// where the CPU has them, and then are part of the name.
const Kernels& kernels_for(Isa isa);
/// kernels_for(selected_isa()).
const Kernels& kernels();

/// What self_test found out about one kernel.
struct SelfTestResult {
  const char* kernel;  ///< "matmul_f32", "matmul_tiles_i8 tern2-v2"
  bool present;        ///< false: the instruction set has none, and nothing was tested
  bool equal;          ///< bitwise, or within the tolerance for bf16 activations
  double worst;  ///< largest difference in units of the tolerance (bf16 activations); otherwise the number of different results
};
/// Runs every kernel of `isa` against the scalar table on random and edge-case inputs of many shapes, and fills `results` (as far
/// as `capacity` goes), one a kernel. Returns the number of kernels. Used by `doctor` and the tests.
size_t self_test(Isa isa, uint64_t seed, SelfTestResult* results, size_t capacity);

}  // namespace spectra::kernels
