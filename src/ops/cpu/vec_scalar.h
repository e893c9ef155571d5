// SPDX-License-Identifier: Apache-2.0
#pragma once
// Vec: 16 floats, as plain C++ for machines without AVX2. The compiler may use what the baseline has (SSE2, NEON).
// max(a, b) is a > b ? a : b in every implementation, so max(bound, x) lets a NaN in x through.
#include <cmath>
#include <cstdint>

#include "base/half.h"

namespace spectra::ops::cpu {
namespace {

struct Vec {
  float lane[16];
};

template <class F>
inline Vec map(F f) {
  Vec r;
  for (int i = 0; i < 16; ++i) r.lane[i] = f(i);
  return r;
}

inline Vec set(float x) {
  return map([&](int) { return x; });
}
inline Vec load(const float* p) {
  return map([&](int i) { return p[i]; });
}
template <class Half>
inline Vec load(const Half* p) {
  return map([&](int i) { return to_float(p[i]); });
}
inline void store(float* p, Vec x) {
  for (int i = 0; i < 16; ++i) p[i] = x.lane[i];
}
inline void store(bf16* p, Vec x) {
  for (int i = 0; i < 16; ++i) p[i] = to_bf16(x.lane[i]);
}
inline void store(fp16* p, Vec x) {
  for (int i = 0; i < 16; ++i) p[i] = to_fp16(x.lane[i]);
}
/// The first n lanes (n < 16), the rest `fill`.
template <class T>
inline Vec load_first(const T* p, int64_t n, float fill = 0) {
  Vec r = set(fill);
  for (int64_t i = 0; i < n; ++i) {
    if constexpr (sizeof(T) == 2)
      r.lane[i] = to_float(p[i]);
    else
      r.lane[i] = p[i];
  }
  return r;
}
template <class T>
inline void store_first(T* p, int64_t n, Vec x) {
  T full[16];
  store(full, x);
  for (int64_t i = 0; i < n; ++i) p[i] = full[i];
}
inline Vec operator+(Vec a, Vec b) {
  return map([&](int i) { return a.lane[i] + b.lane[i]; });
}
inline Vec operator-(Vec a, Vec b) {
  return map([&](int i) { return a.lane[i] - b.lane[i]; });
}
inline Vec operator*(Vec a, Vec b) {
  return map([&](int i) { return a.lane[i] * b.lane[i]; });
}
inline Vec operator/(Vec a, Vec b) {
  return map([&](int i) { return a.lane[i] / b.lane[i]; });
}
inline Vec fma(Vec a, Vec b, Vec c) {
  return map([&](int i) { return a.lane[i] * b.lane[i] + c.lane[i]; });
}
inline Vec max(Vec a, Vec b) {
  return map([&](int i) { return a.lane[i] > b.lane[i] ? a.lane[i] : b.lane[i]; });
}
inline Vec min(Vec a, Vec b) {
  return map([&](int i) { return a.lane[i] < b.lane[i] ? a.lane[i] : b.lane[i]; });
}
inline Vec abs(Vec a) {
  return map([&](int i) { return std::fabs(a.lane[i]); });
}
inline Vec sqrt(Vec a) {
  return map([&](int i) { return std::sqrt(a.lane[i]); });
}
/// a > b ? x : y
inline Vec select_greater(Vec a, Vec b, Vec x, Vec y) {
  return map([&](int i) { return a.lane[i] > b.lane[i] ? x.lane[i] : y.lane[i]; });
}
/// To the nearest integer, |a| < 2^22. Adding 1.5 * 2^23 leaves no bits for the fraction.
inline Vec round_even(Vec a) {
  return map([&](int i) { return (a.lane[i] + 12582912.0f) - 12582912.0f; });
}
/// a * 2^n for whole n in [-126, 127]. In n + 1.5 * 2^23 the low bits are n as an integer; the shift drops the rest.
inline Vec times_power_of_two(Vec a, Vec n) {
  return map([&](int i) { return a.lane[i] * bits_float((float_bits(n.lane[i] + 12582912.0f) + 127u) << 23); });
}
/// Sums by a fixed tree: l + (l+8), l + (l+4), l + (l+2), l + (l+1).
inline float sum(Vec a) {
  for (int width = 8; width > 0; width /= 2) {
    for (int i = 0; i < width; ++i) a.lane[i] += a.lane[i + width];
  }
  return a.lane[0];
}
inline float max_lane(Vec a) {
  float m = a.lane[0];
  for (int i = 1; i < 16; ++i) m = m > a.lane[i] ? m : a.lane[i];
  return m;
}
/// How many of the 16 lanes of a and b differ.
inline int64_t count_different(Vec a, Vec b) {
  int64_t n = 0;
  for (int i = 0; i < 16; ++i) n += a.lane[i] != b.lane[i];
  return n;
}

/// 16 x 16 floats (or words of 32 bits).
inline void transpose(Vec x[16]) {
  for (int i = 0; i < 16; ++i) {
    for (int j = 0; j < i; ++j) {
      const float upper = x[j].lane[i];
      x[j].lane[i] = x[i].lane[j];
      x[i].lane[j] = upper;
    }
  }
}

constexpr int kTileRows = 4, kTileVecs = 1;  // the block of C that tile() keeps in registers

}  // namespace
}  // namespace spectra::ops::cpu
