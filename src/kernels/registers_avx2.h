// SPDX-License-Identifier: Apache-2.0
// Registers of tile_kernels.h in AVX2: 8 rows at once. Everything but the dot product, which each including file adds.
#include <immintrin.h>

#include "kernels/tables.h"

namespace spectra::kernels {
namespace {

constexpr size_t kManyTokens = 4;  // times two tiles: 8 registers of sums

struct Bytes {
  static constexpr size_t kRows = 8;
  __m256i v;

  static Bytes all(uint8_t x) { return {_mm256_set1_epi8(static_cast<char>(x))}; }
  static Bytes load(const uint8_t* p) { return {_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p))}; }
  void store(uint8_t* p) const { _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), v); }
  template <int shift, int bits>
  Bytes low_bits() const {
    if (bits == 8) return *this;
    const __m256i moved = shift == 0 ? v : _mm256_srli_epi16(v, shift);
    return {_mm256_and_si256(moved, _mm256_set1_epi8((1 << bits) - 1))};
  }
};
inline Bytes operator+(Bytes a, Bytes b) { return {_mm256_add_epi8(a.v, b.v)}; }
inline Bytes operator-(Bytes a, Bytes b) { return {_mm256_sub_epi8(a.v, b.v)}; }
inline Bytes min(Bytes a, Bytes b) { return {_mm256_min_epu8(a.v, b.v)}; }

/// Makes the compiler take x for changed.
template <class Register>
inline void renew(Register& x) {
  asm volatile("" : "+x"(x.v));
}

struct Sums {
  __m256i v;

  static Sums zero() { return {_mm256_setzero_si256()}; }
  Sums scaled(int factor) const { return {factor == 2 ? _mm256_add_epi32(v, v) : v}; }
  Sums minus(int32_t x) const { return {_mm256_sub_epi32(v, _mm256_set1_epi32(x))}; }
};
inline Sums operator+(Sums a, Sums b) { return {_mm256_add_epi32(a.v, b.v)}; }

struct Floats {
  __m256 v;

  static Floats zero() { return {_mm256_setzero_ps()}; }
  static Floats load(const float* p) { return {_mm256_loadu_ps(p)}; }
  static Floats from(Sums sums) { return {_mm256_cvtepi32_ps(sums.v)}; }
  Floats times(float x) const { return {_mm256_mul_ps(v, _mm256_set1_ps(x))}; }
  void store(float* p) const { _mm256_storeu_ps(p, v); }
  void store(float* p, size_t count) const {
    float all[8];
    _mm256_storeu_ps(all, v);
    for (size_t i = 0; i < count; ++i) p[i] = all[i];
  }
};
inline Floats fma(Floats a, Floats b, Floats c) { return {_mm256_fmadd_ps(a.v, b.v, c.v)}; }

}  // namespace
}  // namespace spectra::kernels
