// SPDX-License-Identifier: Apache-2.0
#pragma once
// Vec: 16 floats in one AVX-512 register. See vec_scalar.h for what each function does.
#include <immintrin.h>

#include <cstdint>

#include "base/half.h"

namespace spectra::ops::cpu {
namespace {

struct Vec {
  __m512 v;
};

inline __mmask16 first(int64_t n) { return static_cast<__mmask16>((1u << n) - 1u); }
inline __m512 widen(__m256i x) { return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(x), 16)); }
/// 16 floats to bf16, nearest even; a NaN becomes a quiet NaN.
inline __m256i narrow(__m512 x) {
#ifdef __AVX512BF16__
  // vcvtneps2bf16 reads subnormals as zero; nothing below 1e-38 matters here.
  const __m256bh half = _mm512_cvtneps_pbh(x);
  __m256i bits;
  __builtin_memcpy(&bits, &half, 32);
  return bits;
#else
  const __m512i bits = _mm512_castps_si512(x);
  const __m512i odd = _mm512_and_epi32(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
  const __m512i rounded = _mm512_add_epi32(bits, _mm512_add_epi32(_mm512_set1_epi32(0x7fff), odd));
  const __mmask16 nan = _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q);
  const __m512i safe = _mm512_mask_or_epi32(rounded, nan, bits, _mm512_set1_epi32(0x400000));
  return _mm512_cvtepi32_epi16(_mm512_srli_epi32(safe, 16));
#endif
}

inline Vec set(float x) { return {_mm512_set1_ps(x)}; }
inline Vec load(const float* p) { return {_mm512_loadu_ps(p)}; }
inline Vec load(const bf16* p) { return {widen(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)))}; }
inline Vec load(const fp16* p) { return {_mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)))}; }
inline __m256i narrow_fp16(__m512 x) { return _mm512_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
inline void store(float* p, Vec x) { _mm512_storeu_ps(p, x.v); }
inline void store(bf16* p, Vec x) { _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), narrow(x.v)); }
inline void store(fp16* p, Vec x) { _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), narrow_fp16(x.v)); }
inline Vec load_first(const float* p, int64_t n, float fill = 0) {
  return {_mm512_mask_loadu_ps(_mm512_set1_ps(fill), first(n), p)};
}
inline Vec load_first(const bf16* p, int64_t n, float fill = 0) {
  return {_mm512_mask_blend_ps(first(n), _mm512_set1_ps(fill), widen(_mm256_maskz_loadu_epi16(first(n), p)))};
}
inline Vec load_first(const fp16* p, int64_t n, float fill = 0) {
  return {_mm512_mask_blend_ps(first(n), _mm512_set1_ps(fill), _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(first(n), p)))};
}
inline void store_first(float* p, int64_t n, Vec x) { _mm512_mask_storeu_ps(p, first(n), x.v); }
inline void store_first(bf16* p, int64_t n, Vec x) { _mm256_mask_storeu_epi16(p, first(n), narrow(x.v)); }
inline void store_first(fp16* p, int64_t n, Vec x) { _mm256_mask_storeu_epi16(p, first(n), narrow_fp16(x.v)); }
inline Vec operator+(Vec a, Vec b) { return {_mm512_add_ps(a.v, b.v)}; }
inline Vec operator-(Vec a, Vec b) { return {_mm512_sub_ps(a.v, b.v)}; }
inline Vec operator*(Vec a, Vec b) { return {_mm512_mul_ps(a.v, b.v)}; }
inline Vec operator/(Vec a, Vec b) { return {_mm512_div_ps(a.v, b.v)}; }
inline Vec fma(Vec a, Vec b, Vec c) { return {_mm512_fmadd_ps(a.v, b.v, c.v)}; }
inline Vec max(Vec a, Vec b) { return {_mm512_max_ps(a.v, b.v)}; }
inline Vec min(Vec a, Vec b) { return {_mm512_min_ps(a.v, b.v)}; }
inline Vec abs(Vec a) { return {_mm512_abs_ps(a.v)}; }
inline Vec sqrt(Vec a) { return {_mm512_sqrt_ps(a.v)}; }
inline Vec select_greater(Vec a, Vec b, Vec x, Vec y) {
  return {_mm512_mask_blend_ps(_mm512_cmp_ps_mask(a.v, b.v, _CMP_GT_OQ), y.v, x.v)};
}
inline Vec round_even(Vec a) { return {_mm512_roundscale_ps(a.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)}; }
inline Vec times_power_of_two(Vec a, Vec n) { return {_mm512_scalef_ps(a.v, n.v)}; }
inline float sum(Vec a) {
  const __m256 x = _mm256_add_ps(_mm512_castps512_ps256(a.v), _mm512_extractf32x8_ps(a.v, 1));
  __m128 y = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
  y = _mm_add_ps(y, _mm_movehl_ps(y, y));
  return _mm_cvtss_f32(_mm_add_ss(y, _mm_movehdup_ps(y)));
}
inline float max_lane(Vec a) { return _mm512_reduce_max_ps(a.v); }
inline int64_t count_different(Vec a, Vec b) {
  return __builtin_popcount(static_cast<unsigned>(_mm512_cmp_ps_mask(a.v, b.v, _CMP_NEQ_UQ)));
}

/// Four rounds exchange halves of pairs of rows: neighbours within 128 bits, then whole quarters.
inline void transpose(Vec x[16]) {
  __m512 a[16], b[16];
  for (int i = 0; i < 16; i += 2) {
    a[i] = _mm512_unpacklo_ps(x[i].v, x[i + 1].v);
    a[i + 1] = _mm512_unpackhi_ps(x[i].v, x[i + 1].v);
  }
  for (int i = 0; i < 16; i += 4) {  // b[i + k], quarter q: column 4q + k of rows i..i+3
    b[i] = _mm512_shuffle_ps(a[i], a[i + 2], 0x44);
    b[i + 1] = _mm512_shuffle_ps(a[i], a[i + 2], 0xee);
    b[i + 2] = _mm512_shuffle_ps(a[i + 1], a[i + 3], 0x44);
    b[i + 3] = _mm512_shuffle_ps(a[i + 1], a[i + 3], 0xee);
  }
  for (int k = 0; k < 4; ++k) {  // a[k], a[k + 4]: columns k and 8 + k, then 4 + k and 12 + k, of rows 0..7; + 8: of rows 8..15
    a[k] = _mm512_shuffle_f32x4(b[k], b[k + 4], 0x88);
    a[k + 4] = _mm512_shuffle_f32x4(b[k], b[k + 4], 0xdd);
    a[k + 8] = _mm512_shuffle_f32x4(b[k + 8], b[k + 12], 0x88);
    a[k + 12] = _mm512_shuffle_f32x4(b[k + 8], b[k + 12], 0xdd);
  }
  for (int k = 0; k < 4; ++k) {
    x[k].v = _mm512_shuffle_f32x4(a[k], a[k + 8], 0x88);
    x[k + 8].v = _mm512_shuffle_f32x4(a[k], a[k + 8], 0xdd);
    x[k + 4].v = _mm512_shuffle_f32x4(a[k + 4], a[k + 12], 0x88);
    x[k + 12].v = _mm512_shuffle_f32x4(a[k + 4], a[k + 12], 0xdd);
  }
}

constexpr int kTileRows = 4, kTileVecs = 4;  // 16 of 32 registers for sums

}  // namespace
}  // namespace spectra::ops::cpu
