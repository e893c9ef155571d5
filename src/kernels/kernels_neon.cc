// SPDX-License-Identifier: Apache-2.0
// Armv8.2 Advanced SIMD with dot products: 16 lanes in four registers.
#include <arm_neon.h>

#include "kernels/tables.h"

namespace spectra::kernels {
namespace {

struct Lanes {
  static constexpr int kBlock = 2;  // squared: quadruples of registers of sums
  static constexpr int kRegisters = 4;
  float32x4_t a, b, c, d;  // lanes 0-3, 4-7, 8-11, 12-15

  /// Makes the compiler take it for changed.
  void renew() { asm volatile("" : "+w"(a), "+w"(b), "+w"(c), "+w"(d)); }

  static Lanes all(float x) { return {vdupq_n_f32(x), vdupq_n_f32(x), vdupq_n_f32(x), vdupq_n_f32(x)}; }
  static Lanes load(const float* p) { return {vld1q_f32(p), vld1q_f32(p + 4), vld1q_f32(p + 8), vld1q_f32(p + 12)}; }
  static Lanes load(const fp16* p) { return {widen(p), widen(p + 4), widen(p + 8), widen(p + 12)}; }
  static Lanes load(const bf16* p) { return {widen(p), widen(p + 4), widen(p + 8), widen(p + 12)}; }
  static Lanes load(const int8_t* p) {
    const int8x16_t bytes = vld1q_s8(p);
    const int16x8_t low = vmovl_s8(vget_low_s8(bytes)), high = vmovl_s8(vget_high_s8(bytes));
    return {widen(vget_low_s16(low)), widen(vget_high_s16(low)), widen(vget_low_s16(high)), widen(vget_high_s16(high))};
  }
  void store(float* p) const {
    vst1q_f32(p, a);
    vst1q_f32(p + 4, b);
    vst1q_f32(p + 8, c);
    vst1q_f32(p + 12, d);
  }
  void store(fp16* p) const {
    store_fp16(p, a);
    store_fp16(p + 4, b);
    store_fp16(p + 8, c);
    store_fp16(p + 12, d);
  }
  void store(bf16* p) const {
    store_bf16(p, a);
    store_bf16(p + 4, b);
    store_bf16(p + 8, c);
    store_bf16(p + 12, d);
  }
  /// Of whole numbers in the range of int8.
  void store(int8_t* p) const {
    const int16x8_t low = vcombine_s16(vmovn_s32(vcvtq_s32_f32(a)), vmovn_s32(vcvtq_s32_f32(b)));
    const int16x8_t high = vcombine_s16(vmovn_s32(vcvtq_s32_f32(c)), vmovn_s32(vcvtq_s32_f32(d)));
    vst1q_s8(p, vcombine_s8(vmovn_s16(low), vmovn_s16(high)));
  }
  Lanes magnitude() const { return {vabsq_f32(a), vabsq_f32(b), vabsq_f32(c), vabsq_f32(d)}; }
  Lanes negated() const { return {vnegq_f32(a), vnegq_f32(b), vnegq_f32(c), vnegq_f32(d)}; }
  float sum() const {
    const float32x4_t four = vaddq_f32(vaddq_f32(a, c), vaddq_f32(b, d));
    const float32x2_t two = vadd_f32(vget_low_f32(four), vget_high_f32(four));
    return vget_lane_f32(two, 0) + vget_lane_f32(two, 1);
  }
  float largest() const { return vmaxvq_f32(vmaxq_f32(vmaxq_f32(a, c), vmaxq_f32(b, d))); }

 private:
  static float32x4_t widen(int16x4_t x) { return vcvtq_f32_s32(vmovl_s16(x)); }
  static float32x4_t widen(const fp16* p) { return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(&p->bits))); }
  static float32x4_t widen(const bf16* p) { return vreinterpretq_f32_u32(vshlq_n_u32(vmovl_u16(vld1_u16(&p->bits)), 16)); }
  static void store_fp16(fp16* p, float32x4_t x) { vst1_u16(&p->bits, vreinterpret_u16_f16(vcvt_f16_f32(x))); }
  /// Rounds as to_bf16 in base/half.h.
  static void store_bf16(bf16* p, float32x4_t x) {
    const uint32x4_t bits = vreinterpretq_u32_f32(x), top = vshrq_n_u32(bits, 16);
    const uint32x4_t even = vandq_u32(top, vdupq_n_u32(1));
    const uint32x4_t rounded = vshrq_n_u32(vaddq_u32(bits, vaddq_u32(even, vdupq_n_u32(0x7fff))), 16);
    const uint32x4_t quiet = vorrq_u32(top, vdupq_n_u32(0x40));
    vst1_u16(&p->bits, vmovn_u32(vbslq_u32(vceqq_f32(x, x), rounded, quiet)));
  }
};

inline Lanes operator+(Lanes x, Lanes y) {
  return {vaddq_f32(x.a, y.a), vaddq_f32(x.b, y.b), vaddq_f32(x.c, y.c), vaddq_f32(x.d, y.d)};
}
inline Lanes operator-(Lanes x, Lanes y) {
  return {vsubq_f32(x.a, y.a), vsubq_f32(x.b, y.b), vsubq_f32(x.c, y.c), vsubq_f32(x.d, y.d)};
}
inline Lanes operator*(Lanes x, Lanes y) {
  return {vmulq_f32(x.a, y.a), vmulq_f32(x.b, y.b), vmulq_f32(x.c, y.c), vmulq_f32(x.d, y.d)};
}
inline Lanes operator/(Lanes x, Lanes y) {
  return {vdivq_f32(x.a, y.a), vdivq_f32(x.b, y.b), vdivq_f32(x.c, y.c), vdivq_f32(x.d, y.d)};
}
inline Lanes max(Lanes x, Lanes y) { return {vmaxq_f32(x.a, y.a), vmaxq_f32(x.b, y.b), vmaxq_f32(x.c, y.c), vmaxq_f32(x.d, y.d)}; }
inline Lanes min(Lanes x, Lanes y) { return {vminq_f32(x.a, y.a), vminq_f32(x.b, y.b), vminq_f32(x.c, y.c), vminq_f32(x.d, y.d)}; }
inline Lanes fma(Lanes x, Lanes y, Lanes z) {
  return {vfmaq_f32(z.a, x.a, y.a), vfmaq_f32(z.b, x.b, y.b), vfmaq_f32(z.c, x.c, y.c), vfmaq_f32(z.d, x.d, y.d)};
}
inline Lanes round_even(Lanes x) { return {vrndnq_f32(x.a), vrndnq_f32(x.b), vrndnq_f32(x.c), vrndnq_f32(x.d)}; }
/// x < y ? yes : no
inline Lanes where_less(Lanes x, Lanes y, Lanes yes, Lanes no) {
  return {vbslq_f32(vcltq_f32(x.a, y.a), yes.a, no.a), vbslq_f32(vcltq_f32(x.b, y.b), yes.b, no.b),
          vbslq_f32(vcltq_f32(x.c, y.c), yes.c, no.c), vbslq_f32(vcltq_f32(x.d, y.d), yes.d, no.d)};
}
inline float32x4_t power_of_two(int32x4_t k) { return vreinterpretq_f32_s32(vshlq_n_s32(vaddq_s32(k, vdupq_n_s32(127)), 23)); }
inline float32x4_t times_power_of_two(float32x4_t p, float32x4_t k) {
  const int32x4_t whole = vcvtq_s32_f32(k), half = vshrq_n_s32(whole, 1);
  return vmulq_f32(vmulq_f32(p, power_of_two(half)), power_of_two(vsubq_s32(whole, half)));
}
/// p * 2^k for whole k in [-126, 128], in two factors.
inline Lanes times_power_of_two(Lanes p, Lanes k) {
  return {times_power_of_two(p.a, k.a), times_power_of_two(p.b, k.b), times_power_of_two(p.c, k.c), times_power_of_two(p.d, k.d)};
}

}  // namespace
}  // namespace spectra::kernels

#include "kernels/registers_neon.h"
#include "kernels/trits.h"
#include "kernels/vector_kernels.h"

#include "kernels/tile_kernels.h"

namespace spectra::kernels {

void use_neon(Kernels& table) {
  use_lanes(table);
  use_tiles(table);
}

}  // namespace spectra::kernels
