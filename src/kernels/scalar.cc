// SPDX-License-Identifier: Apache-2.0
// The specification of every kernel: plain loops, one operation a line of thought.
#include <cmath>
#include <limits>

#include "kernels/exp.h"
#include "kernels/tables.h"
#include "lowbit/packed.h"

namespace spectra::kernels {
namespace {

constexpr size_t kLanes = 16;

float value(float x) { return x; }
float value(fp16 x) { return to_float(x); }
float value(bf16 x) { return to_float(x); }
float value(int8_t x) { return static_cast<float>(x); }

float sum_lanes(float (&lanes)[kLanes]) {
  for (size_t width = kLanes / 2; width > 0; width /= 2)
    for (size_t l = 0; l < width; ++l) lanes[l] += lanes[l + width];
  return lanes[0];
}

template <class X, class W>
float dot(const X* x, const W* w, size_t n) {
  float lanes[kLanes] = {};
  for (size_t i = 0; i < n; i += kLanes)
    for (size_t l = 0; l < kLanes; ++l) {
      const bool present = i + l < n;
      lanes[l] = std::fma(present ? value(x[i + l]) : 0.0f, present ? value(w[i + l]) : 0.0f, lanes[l]);
    }
  return sum_lanes(lanes);
}

int32_t dot_i8(const int8_t* x, const int8_t* w, size_t n) {
  int32_t sum = 0;
  for (size_t i = 0; i < n; ++i) sum += x[i] * w[i];
  return sum;
}

template <class X, class W>
void matvec(float* y, const X* x, const W* w, size_t stride, size_t rows, size_t n) {
  for (size_t r = 0; r < rows; ++r) y[r] = dot(x, w + r * stride, n);
}
void matvec_i8(int32_t* y, const int8_t* x, const int8_t* w, size_t stride, size_t rows, size_t n) {
  for (size_t r = 0; r < rows; ++r) y[r] = dot_i8(x, w + r * stride, n);
}

template <lowbit::Format format>
void unpack(const uint8_t* packed, size_t cols, int8_t* codes) {
  lowbit::unpack_row(format, packed, static_cast<int64_t>(cols), codes);
}

float power_of_two(int k) { return bits_float(static_cast<uint32_t>(k + 127) << 23); }

void axpy(float* y, float a, const float* x, size_t n) {
  for (size_t i = 0; i < n; ++i) y[i] = std::fma(a, x[i], y[i]);
}

void rmsnorm(float* y, const float* x, const float* w, size_t n, float eps) {
  const float scale = 1.0f / std::sqrt(dot(x, x, n) / static_cast<float>(n) + eps);
  for (size_t i = 0; i < n; ++i) y[i] = x[i] * scale * w[i];
}

void silu_mul(float* h, const float* gate, const float* up, size_t n) {
  for (size_t i = 0; i < n; ++i) h[i] = gate[i] / (1.0f + exp_lane(-gate[i])) * up[i];
}

float max_of(const float* x, size_t n) {
  float max = -std::numeric_limits<float>::infinity();
  for (size_t i = 0; i < n; ++i) max = x[i] > max ? x[i] : max;
  return max;
}

void softmax(float* x, size_t n) {
  const float max = max_of(x, n);
  float lanes[kLanes] = {};
  for (size_t i = 0; i < n; ++i) {
    x[i] = exp_lane(x[i] - max);
    lanes[i % kLanes] += x[i];
  }
  const float scale = 1.0f / sum_lanes(lanes);
  for (size_t i = 0; i < n; ++i) x[i] *= scale;
}

float log_sum_exp(const float* x, size_t n) {
  const float max = max_of(x, n);
  float lanes[kLanes] = {};
  for (size_t i = 0; i < n; ++i) lanes[i % kLanes] += exp_lane(x[i] - max);
  return add_log(max, sum_lanes(lanes));
}

void to_bf16_row(bf16* y, const float* x, size_t n) {
  for (size_t i = 0; i < n; ++i) y[i] = to_bf16(x[i]);
}

float quantize_i8(int8_t* q, const float* x, size_t n) {
  float absmax = 0.0f;
  for (size_t i = 0; i < n; ++i) absmax = std::fabs(x[i]) > absmax ? std::fabs(x[i]) : absmax;
  const float scale = absmax / 127.0f;
  for (size_t i = 0; i < n; ++i) {
    float t = scale > 0.0f ? x[i] / scale : 0.0f;
    t = t < 127.0f ? t : 127.0f;  // a subnormal scale is inexact and could give more
    t = t > -127.0f ? t : -127.0f;
    q[i] = static_cast<int8_t>(std::nearbyint(t));
  }
  return scale;
}

}  // namespace

float exp_lane(float x) {
  if (x < kExpLow) return 0.0f;
  if (x > kExpHigh) return std::numeric_limits<float>::infinity();
  const float k = std::nearbyint(x * kLog2E);
  const float r = std::fma(k, -kLn2Low, std::fma(k, -kLn2High, x));
  float p = kExpC4;
  for (const float c : {kExpC3, kExpC2, kExpC1, kExpC0, 1.0f, 1.0f}) p = std::fma(p, r, c);
  const int whole = static_cast<int>(k), half = whole >> 1;  // 2^128 alone would not be a float
  return p * power_of_two(half) * power_of_two(whole - half);
}

float add_log(float max, float sum) { return static_cast<float>(max + std::log(static_cast<double>(sum))); }

const Kernels& scalar_kernels() {
  static const Kernels table = {
      .name = "scalar",
      .dot_f32 = dot<float, float>,
      .dot_f32_fp16 = dot<float, fp16>,
      .dot_f32_bf16 = dot<float, bf16>,
      .dot_f32_i8 = dot<float, int8_t>,
      .dot_i8 = dot_i8,
      .dot_bf16_i8 = dot<bf16, int8_t>,
      .dot_bf16 = dot<bf16, bf16>,
      .matvec_f32 = matvec<float, float>,
      .matvec_f32_fp16 = matvec<float, fp16>,
      .matvec_f32_bf16 = matvec<float, bf16>,
      .matvec_f32_i8 = matvec<float, int8_t>,
      .matvec_i8 = matvec_i8,
      .matvec_bf16_i8 = matvec<bf16, int8_t>,
      .matvec_bf16 = matvec<bf16, bf16>,
      .unpack_tern2 = unpack<lowbit::Format::kTern2>,
      .unpack_tern1_6 = unpack<lowbit::Format::kTern1_6>,
      .unpack_bin1 = unpack<lowbit::Format::kBin1>,
      .axpy = axpy,
      .rmsnorm = rmsnorm,
      .silu_mul = silu_mul,
      .softmax = softmax,
      .log_sum_exp = log_sum_exp,
      .to_bf16 = to_bf16_row,
      .quantize_i8 = quantize_i8,
  };
  return table;
}

}  // namespace spectra::kernels
