// SPDX-License-Identifier: Apache-2.0
// Registers of tile_kernels.h in Advanced SIMD with dot products: 4 rows at once.
#include <arm_neon.h>

#include "kernels/tables.h"

namespace spectra::kernels {
namespace {

constexpr size_t kManyTokens = 8;  // times two tiles: 16 registers of sums

struct Bytes {
  static constexpr size_t kRows = 4;
  uint8x16_t v;

  static Bytes all(uint8_t x) { return {vdupq_n_u8(x)}; }
  static Bytes load(const uint8_t* p) { return {vld1q_u8(p)}; }
  void store(uint8_t* p) const { vst1q_u8(p, v); }
  template <int shift, int bits>
  Bytes low_bits() const {
    uint8x16_t moved = v;
    if constexpr (shift > 0) moved = vshrq_n_u8(v, shift);
    if constexpr (shift + bits < 8) moved = vandq_u8(moved, vdupq_n_u8((1 << bits) - 1));
    return {moved};
  }
};
inline Bytes operator+(Bytes a, Bytes b) { return {vaddq_u8(a.v, b.v)}; }
inline Bytes operator-(Bytes a, Bytes b) { return {vsubq_u8(a.v, b.v)}; }
inline Bytes min(Bytes a, Bytes b) { return {vminq_u8(a.v, b.v)}; }

struct Sums {
  int32x4_t v;

  static Sums zero() { return {vdupq_n_s32(0)}; }
  Sums scaled(int factor) const { return {factor == 2 ? vaddq_s32(v, v) : v}; }
  Sums minus(int32_t x) const { return {vsubq_s32(v, vdupq_n_s32(x))}; }
};
inline Sums operator+(Sums a, Sums b) { return {vaddq_s32(a.v, b.v)}; }

/// Makes the compiler take x for changed.
template <class Register>
inline void renew(Register& x) {
  asm volatile("" : "+w"(x.v));
}

/// Adds the dot product of each four bytes with those of `x`. The instruction takes signed bytes: what is not small becomes
/// u - 128, and 128 times the sum of x is added again.
template <bool small>
inline Sums dot(Sums sums, Bytes u, int32_t x) {
  const int8x16_t all = vreinterpretq_s8_s32(vdupq_n_s32(x));
  if (small) return {vdotq_s32(sums.v, vreinterpretq_s8_u8(u.v), all)};
  const int8x16_t centred = vreinterpretq_s8_u8(veorq_u8(u.v, vdupq_n_u8(128)));
  return {vsubq_s32(vdotq_s32(sums.v, centred, all), vdotq_s32(vdupq_n_s32(0), vdupq_n_s8(-128), all))};
}

struct Floats {
  float32x4_t v;

  static Floats zero() { return {vdupq_n_f32(0.0f)}; }
  static Floats load(const float* p) { return {vld1q_f32(p)}; }
  static Floats from(Sums sums) { return {vcvtq_f32_s32(sums.v)}; }
  Floats times(float x) const { return {vmulq_n_f32(v, x)}; }
  void store(float* p) const { vst1q_f32(p, v); }
  void store(float* p, size_t count) const {
    float all[4];
    vst1q_f32(all, v);
    for (size_t i = 0; i < count; ++i) p[i] = all[i];
  }
};
inline Floats fma(Floats a, Floats b, Floats c) { return {vfmaq_f32(c.v, a.v, b.v)}; }

}  // namespace
}  // namespace spectra::kernels
