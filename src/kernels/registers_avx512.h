// SPDX-License-Identifier: Apache-2.0
// Registers of tile_kernels.h in AVX-512: 16 rows at once. Everything but the dot product, which each including file adds.
#include <immintrin.h>

#include "kernels/tables.h"

namespace spectra::kernels {
namespace {

constexpr size_t kManyTokens = 8;  // times two tiles: 16 registers of sums

struct Bytes {
  static constexpr size_t kRows = 16;
  __m512i v;

  static Bytes all(uint8_t x) { return {_mm512_set1_epi8(static_cast<char>(x))}; }
  static Bytes load(const uint8_t* p) { return {_mm512_loadu_si512(p)}; }
  void store(uint8_t* p) const { _mm512_storeu_si512(p, v); }
  template <int shift, int bits>
  Bytes low_bits() const {
    if (bits == 8) return *this;
    const __m512i moved = shift == 0 ? v : _mm512_srli_epi16(v, shift);
    return {_mm512_and_si512(moved, _mm512_set1_epi8((1 << bits) - 1))};
  }
};
inline Bytes operator+(Bytes a, Bytes b) { return {_mm512_add_epi8(a.v, b.v)}; }
inline Bytes operator-(Bytes a, Bytes b) { return {_mm512_sub_epi8(a.v, b.v)}; }
inline Bytes min(Bytes a, Bytes b) { return {_mm512_min_epu8(a.v, b.v)}; }

/// Makes the compiler take x for changed.
template <class Register>
inline void renew(Register& x) {
  asm volatile("" : "+v"(x.v));
}

struct Sums {
  __m512i v;

  static Sums zero() { return {_mm512_setzero_si512()}; }
  Sums scaled(int factor) const { return {factor == 2 ? _mm512_add_epi32(v, v) : v}; }
  Sums minus(int32_t x) const { return {_mm512_sub_epi32(v, _mm512_set1_epi32(x))}; }
};
inline Sums operator+(Sums a, Sums b) { return {_mm512_add_epi32(a.v, b.v)}; }

struct Floats {
  __m512 v;

  static Floats zero() { return {_mm512_setzero_ps()}; }
  static Floats load(const float* p) { return {_mm512_loadu_ps(p)}; }
  static Floats from(Sums sums) { return {_mm512_cvtepi32_ps(sums.v)}; }
  Floats times(float x) const { return {_mm512_mul_ps(v, _mm512_set1_ps(x))}; }
  void store(float* p) const { _mm512_storeu_ps(p, v); }
  void store(float* p, size_t count) const { _mm512_mask_storeu_ps(p, static_cast<__mmask16>((1u << count) - 1), v); }
};
inline Floats fma(Floats a, Floats b, Floats c) { return {_mm512_fmadd_ps(a.v, b.v, c.v)}; }

}  // namespace
}  // namespace spectra::kernels
