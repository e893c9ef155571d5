// SPDX-License-Identifier: Apache-2.0
// AVX-512 BF16: 32 products of bf16 an instruction, added in pairs in fp32. Subnormal numbers count as zeros.
#include "kernels/registers_avx512.h"
#include "kernels/trits.h"

#include "kernels/tile_groups.h"

namespace spectra::kernels {
namespace {

inline __m512bh as_bf16(__m512i bits) { return reinterpret_cast<__m512bh>(bits); }
inline __m512bh load(const bf16* p) { return as_bf16(_mm512_loadu_si512(p)); }
inline __m512bh load(const bf16* p, __mmask32 present) { return as_bf16(_mm512_maskz_loadu_epi16(present, p)); }
/// int8 is exact in bf16.
inline __m512bh widen(__m256i bytes) {
  const __m512 low = _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm256_castsi256_si128(bytes)));
  const __m512 high = _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm256_extracti128_si256(bytes, 1)));
  return _mm512_cvtne2ps_pbh(high, low);
}
inline __m512bh load(const int8_t* p) { return widen(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p))); }
inline __m512bh load(const int8_t* p, __mmask32 present) { return widen(_mm256_maskz_loadu_epi8(present, p)); }

/// R rows times M token rows.
template <int R, int M, class W>
inline void dot_block(float* y, size_t y_stride, const bf16* x, size_t x_stride, const W* w, size_t w_stride, size_t n) {
  __m512 sums[M][R];
#pragma GCC unroll 8
  for (int t = 0; t < M; ++t)
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) sums[t][r] = _mm512_setzero_ps();
  for (size_t i = 0; i < n; i += 32) {
    const __mmask32 present = n - i >= 32 ? ~0u : ~0u >> (32 - (n - i));
    __m512bh weights[R];
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) weights[r] = load(w + static_cast<size_t>(r) * w_stride + i, present);
#pragma GCC unroll 8
    for (int t = 0; t < M; ++t) {
      const __m512bh xi = load(x + static_cast<size_t>(t) * x_stride + i, present);
#pragma GCC unroll 8
      for (int r = 0; r < R; ++r) sums[t][r] = _mm512_dpbf16_ps(sums[t][r], xi, weights[r]);
    }
  }
#pragma GCC unroll 8
  for (int t = 0; t < M; ++t)
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) y[static_cast<size_t>(t) * y_stride + static_cast<size_t>(r)] = _mm512_reduce_add_ps(sums[t][r]);
}

template <class W>
void matmul(float* y, size_t y_stride, const bf16* x, size_t x_stride, size_t tokens, const W* w, size_t w_stride, size_t rows,
            size_t n) {
  constexpr size_t R = 4, M = 4;
  for (size_t r = 0; r < rows;) {
    const bool many = r + R <= rows;
    const W* part = w + r * w_stride;
    size_t t = 0;
    for (; many && t + M <= tokens; t += M)
      dot_block<R, M>(y + t * y_stride + r, y_stride, x + t * x_stride, x_stride, part, w_stride, n);
    for (; t < tokens; ++t) {
      if (many)
        dot_block<R, 1>(y + t * y_stride + r, y_stride, x + t * x_stride, x_stride, part, w_stride, n);
      else
        dot_block<1, 1>(y + t * y_stride + r, y_stride, x + t * x_stride, x_stride, part, w_stride, n);
    }
    r += many ? R : 1;
  }
}

/// A quad's codes as bf16: columns 0 and 1 of each row in `first`, 2 and 3 in `second`.
struct Pairs {
  __m512i first, second;
};

/// By a table of 32 words while u < 32, else by way of fp32, where int8 ends in 16 zero bits.
template <Format format>
inline __m512i codes_of(__m512i words, __m512i table) {
  using G = Group<format>;
  if (G::kOffset <= 8) return _mm512_permutexvar_epi16(words, table);
  const __m512i codes = _mm512_sub_epi16(words, _mm512_set1_epi16(G::kOffset));
  const __m512i even = _mm512_castps_si512(_mm512_cvtepi32_ps(_mm512_srai_epi32(_mm512_slli_epi32(codes, 16), 16)));
  const __m512i odd = _mm512_castps_si512(_mm512_cvtepi32_ps(_mm512_srai_epi32(codes, 16)));
  return _mm512_or_si512(odd, _mm512_srli_epi32(even, 16));
}
template <Format format>
inline Pairs pairs_of(Bytes u, __m512i table) {
  const __m512i first = _mm512_set4_epi32(static_cast<int>(0x800d800cu), static_cast<int>(0x80098008u),
                                          static_cast<int>(0x80058004u), static_cast<int>(0x80018000u));
  const __m512i second = _mm512_set4_epi32(static_cast<int>(0x800f800eu), static_cast<int>(0x800b800au),
                                           static_cast<int>(0x80078006u), static_cast<int>(0x80038002u));
  return {codes_of<format>(_mm512_shuffle_epi8(u.v, first), table), codes_of<format>(_mm512_shuffle_epi8(u.v, second), table)};
}
template <Format format>
inline __m512i table_of() {
  using G = Group<format>;
  alignas(64) uint16_t table[32];
  for (int u = 0; u < 32; ++u) table[u] = to_bf16(static_cast<float>(u * G::kStep - G::kOffset)).bits;
  return _mm512_load_si512(table);
}

inline __m512bh two(const bf16* p) {
  int32_t x;
  __builtin_memcpy(&x, p, 4);
  return as_bf16(_mm512_set1_epi32(x));
}

/// fp32 sums of one segment, one chain of additions for each row and token, so that results do not depend on M and W.
template <Format format, int M, int W>
inline void add_segment(__m512 (&sums)[M][W], const uint8_t* packed, size_t tile_bytes, const bf16* x, size_t stride, size_t groups,
                        __m512i table) {
  using G = Group<format>;
#pragma GCC unroll 8
  for (int t = 0; t < M; ++t)
#pragma GCC unroll 8
    for (int i = 0; i < W; ++i) sums[t][i] = _mm512_setzero_ps();
  for (size_t g = 0; g < groups; ++g) {
    Bytes u[W][G::kQuads];
#pragma GCC unroll 8
    for (int i = 0; i < W; ++i) G::load(packed + static_cast<size_t>(i) * tile_bytes + g * G::kBytes, u[i]);
#pragma GCC unroll 8
    for (int q = 0; q < G::kQuads; ++q) {
      Pairs pairs[W];
#pragma GCC unroll 8
      for (int i = 0; i < W; ++i) pairs[i] = pairs_of<format>(u[i][q], table);
#pragma GCC unroll 8
      for (int t = 0; t < M; ++t) {
        const bf16* xq = x + static_cast<size_t>(t) * stride + 4 * (g * G::kQuads + static_cast<size_t>(q));
        const __m512bh x0 = two(xq), x1 = two(xq + 2);
#pragma GCC unroll 8
        for (int i = 0; i < W; ++i) {
          sums[t][i] = _mm512_dpbf16_ps(sums[t][i], as_bf16(pairs[i].first), x0);
          sums[t][i] = _mm512_dpbf16_ps(sums[t][i], as_bf16(pairs[i].second), x1);
        }
      }
    }
  }
}

template <Format format, int M, int W>
inline void block(float* y, size_t y_stride, const TileSpan& w, size_t first, const Bf16Rows& x, size_t t0, __m512i table) {
  using G = Group<format>;
  const uint8_t* packed = w.packed + first * w.tile_bytes;
  const bf16* values = x.values + t0 * x.stride;
  __m512 out[M][W];
#pragma GCC unroll 8
  for (int t = 0; t < M; ++t)
#pragma GCC unroll 8
    for (int i = 0; i < W; ++i) out[t][i] = _mm512_setzero_ps();
  for (size_t s = 0; s < w.segments; ++s) {
    __m512 sums[M][W];
    add_segment<format, M, W>(sums, packed, w.tile_bytes, values, x.stride, w.groups[s], table);
    packed += w.groups[s] * G::kBytes;
    values += w.groups[s] * G::kQuads * 4;
#pragma GCC unroll 8
    for (int i = 0; i < W; ++i) {
      const __m512 scale = _mm512_loadu_ps(w.scales + ((first + static_cast<size_t>(i)) * w.segments + s) * lowbit::kTileRows);
#pragma GCC unroll 8
      for (int t = 0; t < M; ++t) out[t][i] = _mm512_fmadd_ps(scale, sums[t][i], out[t][i]);
    }
  }
#pragma GCC unroll 8
  for (int t = 0; t < M; ++t)
#pragma GCC unroll 8
    for (int i = 0; i < W; ++i) {
      const size_t at = (first + static_cast<size_t>(i)) * lowbit::kTileRows;
      const size_t rows = w.rows - at < lowbit::kTileRows ? w.rows - at : lowbit::kTileRows;
      Floats{out[t][i]}.store(y + (t0 + static_cast<size_t>(t)) * y_stride + at, rows);
    }
}

/// W tiles times all tokens.
template <Format format, int W>
inline void all_tokens(float* y, size_t y_stride, const TileSpan& w, size_t first, const Bf16Rows& x, __m512i table) {
  size_t t = 0;
  for (; W == 2 && t + 8 <= x.tokens; t += 8) block<format, 8, W>(y, y_stride, w, first, x, t, table);
  for (; t + 4 <= x.tokens; t += 4) block<format, 4, W>(y, y_stride, w, first, x, t, table);
  for (; t < x.tokens; ++t) block<format, 1, W>(y, y_stride, w, first, x, t, table);
}

/// With few tokens, four tiles at once, so that enough additions are under way.
template <Format format>
void matmul_tiles_bf16(float* y, size_t y_stride, const TileSpan& w, const Bf16Rows& x) {
  const __m512i table = table_of<format>();
  size_t tile = 0;
  for (; x.tokens < 8 && tile + 4 <= w.tiles; tile += 4) all_tokens<format, 4>(y, y_stride, w, tile, x, table);
  for (; tile + 2 <= w.tiles; tile += 2) all_tokens<format, 2>(y, y_stride, w, tile, x, table);
  if (tile < w.tiles) all_tokens<format, 1>(y, y_stride, w, tile, x, table);
}

double busy_bf16(size_t rounds) {
  constexpr int kApart = 16;
  __m512 sums[kApart];
  for (__m512& sum : sums) sum = _mm512_setzero_ps();
  Bytes x = {_mm512_set1_epi16(0x3f80)};
  for (size_t i = 0; i < rounds; ++i) {
    renew(x);
#pragma GCC unroll 16
    for (int k = 0; k < kApart; ++k) sums[k] = _mm512_dpbf16_ps(sums[k], as_bf16(x.v), as_bf16(x.v));
  }
  for (int k = 1; k < kApart; ++k) sums[0] = _mm512_add_ps(sums[0], sums[k]);
  x.v = _mm512_castps_si512(sums[0]);
  renew(x);
  return static_cast<double>(rounds) * kApart * 16 * 4;
}

template <Format format>
inline void use_tiles_of(Kernels& table) {
  table.matmul_tiles_bf16[static_cast<size_t>(format)] = matmul_tiles_bf16<format>;
}

}  // namespace

void use_avx512bf16(Kernels& table) {
  table.busy_bf16 = busy_bf16;
  table.matmul_bf16 = matmul<bf16>;
  table.matmul_bf16_i8 = matmul<int8_t>;
  use_tiles_of<Format::kTern2>(table);
  use_tiles_of<Format::kTern1_6>(table);
  use_tiles_of<Format::kBin1>(table);
  use_tiles_of<Format::kInt3>(table);
  use_tiles_of<Format::kInt4>(table);
  use_tiles_of<Format::kInt6>(table);
  use_tiles_of<Format::kInt8>(table);
}

}  // namespace spectra::kernels
