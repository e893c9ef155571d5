// SPDX-License-Identifier: Apache-2.0
#pragma once
// 16-bit floating point, as plain bits plus conversions that round to nearest even. Header only and free of std
// containers, so that files compiled for one instruction set may include it.
#include <cstdint>
#include <cstring>

namespace spectra {

/// bfloat16: 8 bits of exponent, 7 of fraction.
struct bf16 {
  uint16_t bits;
};
/// IEEE binary16: 5 bits of exponent, 10 of fraction.
struct fp16 {
  uint16_t bits;
};

static inline uint32_t float_bits(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, 4);
  return bits;
}
static inline float bits_float(uint32_t bits) {
  float value;
  std::memcpy(&value, &bits, 4);
  return value;
}

static inline float to_float(bf16 value) { return bits_float(static_cast<uint32_t>(value.bits) << 16); }
static inline bf16 to_bf16(float value) {
  const uint32_t bits = float_bits(value);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return {static_cast<uint16_t>((bits >> 16) | 0x40u)};  // quiet NaN stays NaN
  return {static_cast<uint16_t>((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16)};
}

static inline float to_float(fp16 value) {
  const uint32_t sign = static_cast<uint32_t>(value.bits & 0x8000u) << 16;
  const uint32_t exponent = (value.bits >> 10) & 0x1fu;
  const uint32_t fraction = value.bits & 0x3ffu;
  if (exponent == 31) return bits_float(sign | 0x7f800000u | (fraction << 13));
  if (exponent != 0) return bits_float(sign | ((exponent + 112u) << 23) | (fraction << 13));
  const float subnormal = static_cast<float>(fraction) * 0x1p-24f;  // exact
  return bits_float(sign | float_bits(subnormal));
}
static inline fp16 to_fp16(float value) {
  const uint32_t bits = float_bits(value);
  const uint32_t sign = (bits >> 16) & 0x8000u;
  const uint32_t magnitude = bits & 0x7fffffffu;
  if (magnitude > 0x7f800000u) return {static_cast<uint16_t>(sign | 0x7e00u)};
  if (magnitude >= 0x477ff000u) return {static_cast<uint16_t>(sign | 0x7c00u)};  // >= 65520 rounds to infinity
  if (magnitude >= 0x38800000u) {                                                // normal: drop 13 bits, round to even
    const uint32_t rebased = magnitude - (112u << 23);
    return {static_cast<uint16_t>(sign | ((rebased + 0xfffu + ((rebased >> 13) & 1u)) >> 13))};
  }
  // Subnormal: adding 0.5 puts the units of 2^-24 at the end of the float's fraction, rounded to even by the addition.
  const float shifted = bits_float(magnitude) + 0.5f;
  return {static_cast<uint16_t>(sign | (float_bits(shifted) - 0x3f000000u))};
}
/// The nearest value that fp16 can hold. Scales are kept so, because that is what an fp16 export stores.
static inline float round_to_fp16(float value) { return to_float(to_fp16(value)); }

}  // namespace spectra
