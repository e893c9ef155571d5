// SPDX-License-Identifier: Apache-2.0
#pragma once
// The fp32 kernels written once over 16 lanes. Included by the file of each instruction set, after it has defined `Lanes`: 16
// floats with the operations used below. Everything is in an unnamed namespace, so that each file has its own code and none of it
// can be chosen by the linker for a CPU that lacks the instructions; for the same reason nothing from std is used.
#include "kernels/exp.h"
#include "kernels/tables.h"

namespace spectra::kernels {
namespace {

constexpr size_t kLanes = 16;

/// 16 elements from `p`, of which `count` exist; the others are `fill`.
template <class T>
inline Lanes load_some(const T* p, size_t count, T fill = T{}) {
  if (count >= kLanes) return Lanes::load(p);
  T all[kLanes];
  for (size_t i = 0; i < kLanes; ++i) all[i] = i < count ? p[i] : fill;
  return Lanes::load(all);
}
template <class T>
inline void store_some(T* p, size_t count, Lanes v) {
  if (count >= kLanes) return v.store(p);
  T all[kLanes];
  v.store(all);
  for (size_t i = 0; i < count; ++i) p[i] = all[i];
}

/// y[r] = dot(x, w + r * stride) for R rows, one register of lanes each.
template <int R, class X, class W>
inline void dot_rows(float* y, const X* x, const W* w, size_t stride, size_t n) {
  Lanes sums[R];
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) sums[r] = Lanes::all(0.0f);
  size_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    const Lanes xi = Lanes::load(x + i);
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) sums[r] = fma(xi, Lanes::load(w + static_cast<size_t>(r) * stride + i), sums[r]);
  }
  if (i < n) {
    const Lanes xi = load_some(x + i, n - i);
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) sums[r] = fma(xi, load_some(w + static_cast<size_t>(r) * stride + i, n - i), sums[r]);
  }
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) y[r] = sums[r].sum();
}

template <class X, class W>
float dot(const X* x, const W* w, size_t n) {
  float y;
  dot_rows<1>(&y, x, w, 0, n);
  return y;
}

template <class X, class W>
void matvec(float* y, const X* x, const W* w, size_t stride, size_t rows, size_t n) {
  size_t r = 0;
  for (; r + 4 <= rows; r += 4) dot_rows<4>(y + r, x, w + r * stride, stride, n);
  for (; r < rows; ++r) dot_rows<1>(y + r, x, w + r * stride, stride, n);
}

inline Lanes exp_lanes(Lanes x) {
  const Lanes inside = max(min(x, Lanes::all(kExpHigh)), Lanes::all(kExpLow));
  const Lanes k = round_even(inside * Lanes::all(kLog2E));
  const Lanes r = fma(k, Lanes::all(-kLn2Low), fma(k, Lanes::all(-kLn2High), inside));
  Lanes p = fma(Lanes::all(kExpC4), r, Lanes::all(kExpC3));
  p = fma(p, r, Lanes::all(kExpC2));
  p = fma(p, r, Lanes::all(kExpC1));
  p = fma(p, r, Lanes::all(kExpC0));
  p = fma(p, r, Lanes::all(1.0f));
  p = fma(p, r, Lanes::all(1.0f));
  const Lanes y = times_power_of_two(p, k);
  return where_less(x, Lanes::all(kExpLow), Lanes::all(0.0f), where_less(Lanes::all(kExpHigh), x, Lanes::all(__builtin_inff()), y));
}

void axpy(float* y, float a, const float* x, size_t n) {
  for (size_t i = 0; i < n; i += kLanes)
    store_some(y + i, n - i, fma(Lanes::all(a), load_some(x + i, n - i), load_some(y + i, n - i)));
}

void rmsnorm(float* y, const float* x, const float* w, size_t n, float eps) {
  const Lanes scale = Lanes::all(1.0f / __builtin_sqrtf(dot(x, x, n) / static_cast<float>(n) + eps));
  for (size_t i = 0; i < n; i += kLanes) store_some(y + i, n - i, load_some(x + i, n - i) * scale * load_some(w + i, n - i));
}

void silu_mul(float* h, const float* gate, const float* up, size_t n) {
  const Lanes one = Lanes::all(1.0f);
  for (size_t i = 0; i < n; i += kLanes) {
    const Lanes g = load_some(gate + i, n - i);
    store_some(h + i, n - i, g / (one + exp_lanes(g.negated())) * load_some(up + i, n - i));
  }
}

inline float max_of(const float* x, size_t n) {
  Lanes largest = Lanes::all(-__builtin_inff());
  for (size_t i = 0; i < n; i += kLanes) largest = max(largest, load_some(x + i, n - i, -__builtin_inff()));
  return largest.largest();
}

void softmax(float* x, size_t n) {
  const Lanes top = Lanes::all(max_of(x, n));
  Lanes sums = Lanes::all(0.0f);
  for (size_t i = 0; i < n; i += kLanes) {
    const Lanes e = exp_lanes(load_some(x + i, n - i, -__builtin_inff()) - top);
    sums = sums + e;
    store_some(x + i, n - i, e);
  }
  const Lanes scale = Lanes::all(1.0f / sums.sum());
  for (size_t i = 0; i < n; i += kLanes) store_some(x + i, n - i, load_some(x + i, n - i) * scale);
}

float log_sum_exp(const float* x, size_t n) {
  const float top = max_of(x, n);
  Lanes sums = Lanes::all(0.0f);
  for (size_t i = 0; i < n; i += kLanes) sums = sums + exp_lanes(load_some(x + i, n - i, -__builtin_inff()) - Lanes::all(top));
  return add_log(top, sums.sum());
}

void to_bf16_row(bf16* y, const float* x, size_t n) {
  for (size_t i = 0; i < n; i += kLanes) store_some(y + i, n - i, load_some(x + i, n - i));
}

float quantize_i8(int8_t* q, const float* x, size_t n) {
  Lanes largest = Lanes::all(0.0f);
  for (size_t i = 0; i < n; i += kLanes) largest = max(largest, load_some(x + i, n - i).magnitude());
  const float scale = largest.largest() / 127.0f;
  if (!(scale > 0.0f)) {
    for (size_t i = 0; i < n; ++i) q[i] = 0;
    return scale;
  }
  for (size_t i = 0; i < n; i += kLanes) {
    const Lanes t = load_some(x + i, n - i) / Lanes::all(scale);
    store_some(q + i, n - i, round_even(max(min(t, Lanes::all(127.0f)), Lanes::all(-127.0f))));
  }
  return scale;
}

/// Points the table at the functions above.
inline void use_lanes(Kernels& table) {
  table.dot_f32 = dot<float, float>;
  table.dot_f32_fp16 = dot<float, fp16>;
  table.dot_f32_bf16 = dot<float, bf16>;
  table.dot_f32_i8 = dot<float, int8_t>;
  table.dot_bf16_i8 = dot<bf16, int8_t>;
  table.dot_bf16 = dot<bf16, bf16>;
  table.matvec_f32 = matvec<float, float>;
  table.matvec_f32_fp16 = matvec<float, fp16>;
  table.matvec_f32_bf16 = matvec<float, bf16>;
  table.matvec_f32_i8 = matvec<float, int8_t>;
  table.matvec_bf16_i8 = matvec<bf16, int8_t>;
  table.matvec_bf16 = matvec<bf16, bf16>;
  table.axpy = axpy;
  table.rmsnorm = rmsnorm;
  table.silu_mul = silu_mul;
  table.softmax = softmax;
  table.log_sum_exp = log_sum_exp;
  table.to_bf16 = to_bf16_row;
  table.quantize_i8 = quantize_i8;
}

}  // namespace
}  // namespace spectra::kernels
