// SPDX-License-Identifier: Apache-2.0
// AVX-512 F, BW, DQ and VL: 16 lanes in one register.
#include <immintrin.h>

#include "kernels/tables.h"

namespace spectra::kernels {
namespace {

struct Lanes {
  static constexpr int kBlock = 4;  // squared: registers of sums
  static constexpr int kRegisters = 1;
  __m512 v;

  /// Makes the compiler take it for changed.
  void renew() { asm volatile("" : "+v"(v)); }

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
  void store(fp16* p) const { _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm512_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT)); }
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

/// Four sums at once, each by the tree of sum().
inline void store_sums(float* y, const Lanes (&sums)[4]) {
  const auto halves = [](__m512 a, __m512 b) {  // 8 sums of a, 8 of b
    return _mm512_add_ps(_mm512_insertf32x8(a, _mm512_castps512_ps256(b), 1), _mm512_shuffle_f32x4(a, b, 0xee));
  };
  const __m512 ab = halves(sums[0].v, sums[1].v), cd = halves(sums[2].v, sums[3].v);
  const __m512 four = _mm512_add_ps(_mm512_shuffle_f32x4(ab, cd, 0x88), _mm512_shuffle_f32x4(ab, cd, 0xdd));
  const __m512 two = _mm512_add_ps(four, _mm512_permute_ps(four, 0x4e));
  const __m512 one = _mm512_add_ps(two, _mm512_permute_ps(two, 0xb1));
  const __m512i firsts = _mm512_setr_epi32(0, 4, 8, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
  _mm_storeu_ps(y, _mm512_castps512_ps128(_mm512_permutexvar_ps(firsts, one)));
}

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

#include "kernels/registers_avx512.h"
#include "kernels/trits.h"
#include "kernels/vector_kernels.h"

namespace spectra::kernels {
namespace {

/// Adds the dot product of each four bytes with those of `x`. Pairs of products fit 16 bits only while u is small.
template <bool small>
inline Sums dot(Sums sums, Bytes u, int32_t x) {
  const __m512i all = _mm512_set1_epi32(x);
  if (small) return {_mm512_add_epi32(sums.v, _mm512_madd_epi16(_mm512_maddubs_epi16(u.v, all), _mm512_set1_epi16(1)))};
  const __m512i even =
      _mm512_madd_epi16(_mm512_and_si512(u.v, _mm512_set1_epi16(255)), _mm512_srai_epi16(_mm512_slli_epi16(all, 8), 8));
  const __m512i odd = _mm512_madd_epi16(_mm512_srli_epi16(u.v, 8), _mm512_srai_epi16(all, 8));
  return {_mm512_add_epi32(sums.v, _mm512_add_epi32(even, odd))};
}

}  // namespace
}  // namespace spectra::kernels

#include "kernels/tile_kernels.h"

namespace spectra::kernels {

void use_avx512(Kernels& table) {
  use_lanes(table);
  use_tiles(table);
}

}  // namespace spectra::kernels
