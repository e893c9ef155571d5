// SPDX-License-Identifier: Apache-2.0
// AVX-512 BF16: 32 products of bf16 an instruction, added in pairs in fp32. Subnormal numbers count as zeros.
#include <immintrin.h>

#include "kernels/tables.h"

namespace spectra::kernels {
namespace {

inline __m512bh load(const bf16* p) { return reinterpret_cast<__m512bh>(_mm512_loadu_si512(p)); }
inline __m512bh load(const bf16* p, __mmask32 present) { return reinterpret_cast<__m512bh>(_mm512_maskz_loadu_epi16(present, p)); }
/// int8 is exact in bf16.
inline __m512bh widen(__m256i bytes) {
  const __m512 low = _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm256_castsi256_si128(bytes)));
  const __m512 high = _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm256_extracti128_si256(bytes, 1)));
  return _mm512_cvtne2ps_pbh(high, low);
}
inline __m512bh load(const int8_t* p) { return widen(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p))); }
inline __m512bh load(const int8_t* p, __mmask32 present) { return widen(_mm256_maskz_loadu_epi8(present, p)); }

template <int R, class W>
inline void dot_rows(float* y, const bf16* x, const W* w, size_t stride, size_t n) {
  __m512 sums[R];
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) sums[r] = _mm512_setzero_ps();
  size_t i = 0;
  for (; i + 32 <= n; i += 32) {
    const __m512bh xi = load(x + i);
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) sums[r] = _mm512_dpbf16_ps(sums[r], xi, load(w + static_cast<size_t>(r) * stride + i));
  }
  if (i < n) {
    const __mmask32 present = ~0u >> (32 - (n - i));
    const __m512bh xi = load(x + i, present);
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) sums[r] = _mm512_dpbf16_ps(sums[r], xi, load(w + static_cast<size_t>(r) * stride + i, present));
  }
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) y[r] = _mm512_reduce_add_ps(sums[r]);
}

template <class W>
float dot(const bf16* x, const W* w, size_t n) {
  float y;
  dot_rows<1>(&y, x, w, 0, n);
  return y;
}
template <class W>
void matvec(float* y, const bf16* x, const W* w, size_t stride, size_t rows, size_t n) {
  size_t r = 0;
  for (; r + 4 <= rows; r += 4) dot_rows<4>(y + r, x, w + r * stride, stride, n);
  for (; r < rows; ++r) dot_rows<1>(y + r, x, w + r * stride, stride, n);
}

}  // namespace

void use_avx512bf16(Kernels& table) {
  table.dot_bf16_i8 = dot<int8_t>;
  table.dot_bf16 = dot<bf16>;
  table.matvec_bf16_i8 = matvec<int8_t>;
  table.matvec_bf16 = matvec<bf16>;
}

}  // namespace spectra::kernels
