// SPDX-License-Identifier: Apache-2.0
// AVX-512 F, BW, DQ and VL: 16 lanes in one register.
#include <immintrin.h>

#include "kernels/tables.h"

namespace spectra::kernels {
namespace {

struct Lanes {
  __m512 v;

  static Lanes all(float x) { return {_mm512_set1_ps(x)}; }
  static Lanes load(const float* p) { return {_mm512_loadu_ps(p)}; }
  static Lanes load(const fp16* p) { return {_mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)))}; }
  static Lanes load(const bf16* p) {
    const __m512i bits = _mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
    return {_mm512_castsi512_ps(_mm512_slli_epi32(bits, 16))};
  }
  static Lanes load(const int8_t* p) {
    return {_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))))};
  }
  void store(float* p) const { _mm512_storeu_ps(p, v); }
  /// Rounds as to_bf16 in base/half.h. (The BF16 instruction would turn subnormal numbers into zeros.)
  void store(bf16* p) const {
    const __m512i bits = _mm512_castps_si512(v), top = _mm512_srli_epi32(bits, 16);
    const __m512i even = _mm512_and_si512(top, _mm512_set1_epi32(1));
    const __m512i rounded = _mm512_srli_epi32(_mm512_add_epi32(bits, _mm512_add_epi32(even, _mm512_set1_epi32(0x7fff))), 16);
    const __mmask16 nan = _mm512_cmp_ps_mask(v, v, _CMP_UNORD_Q);
    const __m512i result = _mm512_mask_or_epi32(rounded, nan, top, _mm512_set1_epi32(0x40));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm512_cvtepi32_epi16(result));
  }
  /// Of whole numbers in the range of int8.
  void store(int8_t* p) const { _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(v))); }
  Lanes magnitude() const { return {_mm512_andnot_ps(_mm512_set1_ps(-0.0f), v)}; }
  Lanes negated() const { return {_mm512_xor_ps(_mm512_set1_ps(-0.0f), v)}; }
  float sum() const {
    const __m256 eight = _mm256_add_ps(_mm512_castps512_ps256(v), _mm512_extractf32x8_ps(v, 1));
    const __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps(two, two, 1)));
  }
  float largest() const { return _mm512_reduce_max_ps(v); }
};

inline Lanes operator+(Lanes a, Lanes b) { return {_mm512_add_ps(a.v, b.v)}; }
inline Lanes operator-(Lanes a, Lanes b) { return {_mm512_sub_ps(a.v, b.v)}; }
inline Lanes operator*(Lanes a, Lanes b) { return {_mm512_mul_ps(a.v, b.v)}; }
inline Lanes operator/(Lanes a, Lanes b) { return {_mm512_div_ps(a.v, b.v)}; }
inline Lanes max(Lanes a, Lanes b) { return {_mm512_max_ps(a.v, b.v)}; }
inline Lanes min(Lanes a, Lanes b) { return {_mm512_min_ps(a.v, b.v)}; }
inline Lanes fma(Lanes a, Lanes b, Lanes c) { return {_mm512_fmadd_ps(a.v, b.v, c.v)}; }
inline Lanes round_even(Lanes a) { return {_mm512_roundscale_ps(a.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)}; }
/// a < b ? yes : no
inline Lanes where_less(Lanes a, Lanes b, Lanes yes, Lanes no) {
  return {_mm512_mask_blend_ps(_mm512_cmp_ps_mask(a.v, b.v, _CMP_LT_OQ), no.v, yes.v)};
}
inline __m512 power_of_two(__m512i k) {
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_add_epi32(k, _mm512_set1_epi32(127)), 23));
}
/// p * 2^k for whole k in [-126, 128], in two factors.
inline Lanes times_power_of_two(Lanes p, Lanes k) {
  const __m512i whole = _mm512_cvtps_epi32(k.v), half = _mm512_srai_epi32(whole, 1);
  return {_mm512_mul_ps(_mm512_mul_ps(p.v, power_of_two(half)), power_of_two(_mm512_sub_epi32(whole, half)))};
}

}  // namespace
}  // namespace spectra::kernels

#include "kernels/vector_kernels.h"

namespace spectra::kernels {
namespace {

inline __m512i load_words(const int8_t* p) { return _mm512_cvtepi8_epi16(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p))); }
inline __m512i load_words(const int8_t* p, __mmask32 present) { return _mm512_cvtepi8_epi16(_mm256_maskz_loadu_epi8(present, p)); }

template <int R>
inline void dot_rows_i8(int32_t* y, const int8_t* x, const int8_t* w, size_t stride, size_t n) {
  __m512i sums[R];
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) sums[r] = _mm512_setzero_si512();
  size_t i = 0;
  for (; i + 32 <= n; i += 32) {
    const __m512i xi = load_words(x + i);
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r)
      sums[r] = _mm512_add_epi32(sums[r], _mm512_madd_epi16(xi, load_words(w + static_cast<size_t>(r) * stride + i)));
  }
  const auto present = static_cast<__mmask32>((1ull << (n - i)) - 1);
  const __m512i xi = load_words(x + i, present);
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) {
    const __m512i last = _mm512_madd_epi16(xi, load_words(w + static_cast<size_t>(r) * stride + i, present));
    y[r] = _mm512_reduce_add_epi32(_mm512_add_epi32(sums[r], last));
  }
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

/// One group of 64: four copies of the 16 bytes, each shifted to its digit.
inline __m512i tern2_codes(const uint8_t* packed) {
  const __m512i copies = _mm512_broadcast_i32x4(_mm_loadu_si128(reinterpret_cast<const __m128i*>(packed)));
  const __m512i shifts = _mm512_setr_epi32(0, 0, 0, 0, 2, 2, 2, 2, 4, 4, 4, 4, 6, 6, 6, 6);
  return _mm512_sub_epi8(_mm512_and_si512(_mm512_srlv_epi32(copies, shifts), _mm512_set1_epi8(3)), _mm512_set1_epi8(1));
}
void unpack_tern2(const uint8_t* packed, size_t cols, int8_t* codes) {
  for (; cols >= 64; cols -= 64, packed += 16, codes += 64) _mm512_storeu_si512(codes, tern2_codes(packed));
  if (cols > 0) _mm512_mask_storeu_epi8(codes, (1ull << cols) - 1, tern2_codes(packed));
}

inline __m512i bin1_codes(const uint8_t* packed) {
  uint64_t bits;
  __builtin_memcpy(&bits, packed, 8);
  return _mm512_mask_blend_epi8(bits, _mm512_set1_epi8(-1), _mm512_set1_epi8(1));
}
void unpack_bin1(const uint8_t* packed, size_t cols, int8_t* codes) {
  for (; cols >= 64; cols -= 64, packed += 8, codes += 64) _mm512_storeu_si512(codes, bin1_codes(packed));
  if (cols > 0) _mm512_mask_storeu_epi8(codes, (1ull << cols) - 1, bin1_codes(packed));
}

/// The next digit of 64 fractions (in 256ths), as codes; the fractions move on by one digit.
inline __m512i next_digit(__m512i& fraction) {
  const __m512i one = _mm512_set1_epi8(1);
  __m512i code = _mm512_set1_epi8(-1);
  code = _mm512_mask_add_epi8(code, _mm512_cmpge_epu8_mask(fraction, _mm512_set1_epi8(86)), code, one);  // 3 * 86 >= 256
  code = _mm512_mask_add_epi8(code, _mm512_cmpge_epu8_mask(fraction, _mm512_set1_epi8(static_cast<char>(171))), code, one);
  fraction = _mm512_add_epi8(fraction, _mm512_add_epi8(fraction, fraction));
  return code;
}
/// Four groups of 80 weights at once: 16 bytes each of `packed`, of which `bytes` exist.
inline void tern1_6_codes(const uint8_t* packed, __mmask64 bytes, int8_t* codes) {
  __m512i fraction = _mm512_maskz_loadu_epi8(bytes, packed);
#pragma GCC unroll 5
  for (int digit = 0; digit < 5; ++digit) {
    const __m512i code = next_digit(fraction);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(codes + 16 * digit), _mm512_castsi512_si128(code));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(codes + 80 + 16 * digit), _mm512_extracti32x4_epi32(code, 1));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(codes + 160 + 16 * digit), _mm512_extracti32x4_epi32(code, 2));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(codes + 240 + 16 * digit), _mm512_extracti32x4_epi32(code, 3));
  }
}
void unpack_tern1_6(const uint8_t* packed, size_t cols, int8_t* codes) {
  for (; cols >= 320; cols -= 320, packed += 64, codes += 320) tern1_6_codes(packed, ~0ull, codes);
  if (cols == 0) return;
  const size_t groups = (cols + 79) / 80;
  int8_t last[320];
  tern1_6_codes(packed, ~0ull >> (64 - 16 * groups), last);
  __builtin_memcpy(codes, last, cols);
}

}  // namespace

void use_avx512(Kernels& table) {
  use_lanes(table);
  table.dot_i8 = dot_i8;
  table.matvec_i8 = matvec_i8;
  table.unpack_tern2 = unpack_tern2;
  table.unpack_tern1_6 = unpack_tern1_6;
  table.unpack_bin1 = unpack_bin1;
}

}  // namespace spectra::kernels
