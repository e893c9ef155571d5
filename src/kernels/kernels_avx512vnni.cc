// SPDX-License-Identifier: Apache-2.0
// AVX-512 VNNI: 64 products of int8 an instruction.
#include <immintrin.h>

#include "kernels/tables.h"

namespace spectra::kernels {
namespace {

/// VPDPBUSD multiplies unsigned by signed bytes, so w + 128 takes the place of w, and 128 * sum(x) is taken off at the end. Sums
/// wrap around modulo 2^32 on the way, which leaves the result exact.
template <int R>
inline void dot_rows_i8(int32_t* y, const int8_t* x, const int8_t* w, size_t stride, size_t n) {
  const __m512i sign = _mm512_set1_epi8(static_cast<char>(0x80)), ones = _mm512_set1_epi8(1);
  __m512i sums[R], x_sum = _mm512_setzero_si512();
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) sums[r] = _mm512_setzero_si512();
  size_t i = 0;
  for (; i + 64 <= n; i += 64) {
    const __m512i xi = _mm512_loadu_si512(x + i);
    x_sum = _mm512_dpbusd_epi32(x_sum, ones, xi);
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      const __m512i wi = _mm512_loadu_si512(w + static_cast<size_t>(r) * stride + i);
      sums[r] = _mm512_dpbusd_epi32(sums[r], _mm512_xor_si512(wi, sign), xi);
    }
  }
  if (i < n) {
    const __mmask64 present = ~0ull >> (64 - (n - i));
    const __m512i xi = _mm512_maskz_loadu_epi8(present, x + i);
    x_sum = _mm512_dpbusd_epi32(x_sum, ones, xi);
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      const __m512i wi = _mm512_maskz_loadu_epi8(present, w + static_cast<size_t>(r) * stride + i);
      sums[r] = _mm512_dpbusd_epi32(sums[r], _mm512_xor_si512(wi, sign), xi);
    }
  }
  const __m512i offset = _mm512_slli_epi32(x_sum, 7);
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) y[r] = _mm512_reduce_add_epi32(_mm512_sub_epi32(sums[r], offset));
}

int32_t dot_i8(const int8_t* x, const int8_t* w, size_t n) {
  int32_t y;
  dot_rows_i8<1>(&y, x, w, 0, n);
  return y;
}
void matvec_i8(int32_t* y, const int8_t* x, const int8_t* w, size_t stride, size_t rows, size_t n) {
  size_t r = 0;
  for (; r + 4 <= rows; r += 4) dot_rows_i8<4>(y + r, x, w + r * stride, stride, n);
  for (; r < rows; ++r) dot_rows_i8<1>(y + r, x, w + r * stride, stride, n);
}

}  // namespace

void use_avx512vnni(Kernels& table) {
  table.dot_i8 = dot_i8;
  table.matvec_i8 = matvec_i8;
}

}  // namespace spectra::kernels
