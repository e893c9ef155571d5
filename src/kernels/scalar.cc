// SPDX-License-Identifier: Apache-2.0
// The specification of every kernel: plain loops, one operation a line of thought.
#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "kernels/exp.h"
#include "kernels/gelu.h"
#include "kernels/tables.h"
#include "lowbit/packed.h"

namespace spectra::kernels {
namespace {

using lowbit::Format;

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

template <class X, class W>
void matmul(float* y, size_t y_stride, const X* x, size_t x_stride, size_t tokens, const W* w, size_t w_stride, size_t rows,
            size_t n) {
  for (size_t t = 0; t < tokens; ++t)
    for (size_t r = 0; r < rows; ++r) y[t * y_stride + r] = dot(x + t * x_stride, w + r * w_stride, n);
}

/// The codes of a tile's segment, (16, cols) with cols whole groups.
template <lowbit::Format format>
std::vector<int8_t> segment_codes(const uint8_t* packed, size_t groups) {
  const int64_t cols = static_cast<int64_t>(groups) * lowbit::group_columns(format);
  std::vector<int8_t> codes(static_cast<size_t>(lowbit::kTileRows * cols));
  lowbit::unpack_tile({format, lowbit::kTileRows, cols, {0, cols}}, 0, packed, codes.data());
  return codes;
}

/// Calls body(first row, rows, segment, its first column, columns, codes) for every segment of every tile.
template <lowbit::Format format, class Body>
void for_segments(const TileSpan& w, Body body) {
  for (size_t tile = 0; tile < w.tiles; ++tile) {
    const uint8_t* packed = w.packed + tile * w.tile_bytes;
    const size_t first = tile * lowbit::kTileRows, rows = std::min<size_t>(lowbit::kTileRows, w.rows - first);
    size_t column = 0;
    for (size_t s = 0; s < w.segments; ++s) {
      const size_t cols = w.groups[s] * static_cast<size_t>(lowbit::group_columns(format));
      body(first, rows, s, column, cols, segment_codes<format>(packed, w.groups[s]));
      packed += w.groups[s] * static_cast<size_t>(lowbit::group_bytes(format));
      column += cols;
    }
  }
}

template <lowbit::Format format>
void matmul_tiles_i8(float* y, size_t y_stride, const TileSpan& w, const Int8Rows& x) {
  for (size_t t = 0; t < x.tokens; ++t) std::fill_n(y + t * y_stride, w.rows, 0.0f);
  for_segments<format>(w, [&](size_t first, size_t rows, size_t s, size_t column, size_t cols, const std::vector<int8_t>& codes) {
    for (size_t t = 0; t < x.tokens; ++t)
      for (size_t r = 0; r < rows; ++r) {
        const int8_t* values = x.values + t * x.stride + column;
        int32_t sum = 0;
        for (size_t c = 0; c < cols; ++c) sum += values[c] * codes[r * cols + c];
        float& out = y[t * y_stride + first + r];
        out = std::fma(w.scales[first * w.segments + s * lowbit::kTileRows + r], static_cast<float>(sum), out);
      }
  });
  for (size_t t = 0; t < x.tokens; ++t)
    for (size_t r = 0; r < w.rows; ++r) y[t * y_stride + r] *= x.scales[t];
}

template <lowbit::Format format>
void matmul_tiles_bf16(float* y, size_t y_stride, const TileSpan& w, const Bf16Rows& x) {
  for (size_t t = 0; t < x.tokens; ++t) std::fill_n(y + t * y_stride, w.rows, 0.0f);
  for_segments<format>(w, [&](size_t first, size_t rows, size_t s, size_t column, size_t cols, const std::vector<int8_t>& codes) {
    for (size_t t = 0; t < x.tokens; ++t)
      for (size_t r = 0; r < rows; ++r) {
        float& out = y[t * y_stride + first + r];
        out = std::fma(w.scales[first * w.segments + s * lowbit::kTileRows + r],
                       dot(x.values + t * x.stride + column, codes.data() + r * cols, cols), out);
      }
  });
}

template <lowbit::Format format>
void unpack_tile(int8_t* codes, size_t stride, const uint8_t* packed, size_t segments, const size_t* columns) {
  const auto width = static_cast<size_t>(lowbit::group_columns(format));
  for (size_t s = 0, begin = 0; s < segments; begin += columns[s++]) {
    const size_t groups = (columns[s] + width - 1) / width;
    const std::vector<int8_t> all = segment_codes<format>(packed, groups);
    for (size_t r = 0; r < lowbit::kTileRows; ++r)
      std::copy_n(all.begin() + static_cast<ptrdiff_t>(r * groups * width), columns[s], codes + r * stride + begin);
    packed += groups * static_cast<size_t>(lowbit::group_bytes(format));
  }
}

template <class T>
void attention_scores(float* scores, size_t stride, const float* query, size_t query_stride, size_t queries, const T* keys,
                      const float* scale, size_t head_dim, size_t blocks) {
  for (size_t q = 0; q < queries; ++q)
    for (size_t j = 0; j < kLanes * blocks; ++j) {
      float sum = 0.0f;
      for (size_t e = 0; e < head_dim; ++e)
        sum = std::fma(query[q * query_stride + e], value(keys[(j / kLanes * head_dim + e) * kLanes + j % kLanes]), sum);
      scores[q * stride + j] = scale == nullptr ? sum : sum * scale[j];
    }
}

template <class T>
void attention_values(float* out, size_t out_stride, const float* p, size_t stride, size_t queries, const T* values,
                      const float* scale, size_t width, size_t positions) {
  for (size_t q = 0; q < queries; ++q)
    for (size_t v = 0; v < width; ++v)
      for (size_t j = 0; j < positions; ++j) {
        const float weight = scale == nullptr ? p[q * stride + j] : p[q * stride + j] * scale[j];
        out[q * out_stride + v] = std::fma(weight, value(values[j * width + v]), out[q * out_stride + v]);
      }
}

float power_of_two(int k) { return bits_float(static_cast<uint32_t>(k + 127) << 23); }

void rope(float* head, const float* cos, const float* sin, size_t half, float scale) {
  for (size_t i = 0; i < half; ++i) {
    const float a = head[i], b = head[i + half];
    head[i] = (a * cos[i] - b * sin[i]) * scale;
    head[i + half] = (b * cos[i] + a * sin[i]) * scale;
  }
}

void add(float* y, const float* x, size_t n) {
  for (size_t i = 0; i < n; ++i) y[i] += x[i];
}

void rmsnorm(float* y, const float* x, const float* w, size_t n, float eps) {
  const float scale = 1.0f / std::sqrt(dot(x, x, n) / static_cast<float>(n) + eps);
  for (size_t i = 0; i < n; ++i) y[i] = x[i] * scale * w[i];
}

void silu_mul(float* h, const float* gate, const float* up, size_t n) {
  for (size_t i = 0; i < n; ++i) h[i] = gate[i] / (1.0f + exp_lane(-gate[i])) * up[i];
}

void relu2_mul(float* h, const float* gate, const float* up, size_t n) {
  for (size_t i = 0; i < n; ++i) {
    const float positive = gate[i] > 0 ? gate[i] : 0.0f;
    h[i] = positive * positive * up[i];
  }
}

void gelu_mul(float* h, const float* gate, const float* up, size_t n) {
  for (size_t i = 0; i < n; ++i) {
    const float z = std::fabs(gate[i]) * kSqrtHalf, t = 1.0f / (1.0f + 0.5f * z);
    float q = kErfc[kErfcTerms - 1];
    for (int c = kErfcTerms - 2; c >= 0; --c) q = std::fma(q, t, kErfc[c]);
    const float tail = gate[i] * (0.5f * (t * q) * exp_lane(-(z * z)));  // gate Φ(-|gate|)
    h[i] = (gate[i] > 0 ? gate[i] - tail : tail) * up[i];
  }
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

void to_fp16_row(fp16* y, const float* x, size_t n) {
  for (size_t i = 0; i < n; ++i) y[i] = to_fp16(x[i]);
}

float absmax(const float* x, size_t n) {
  float largest = 0.0f;
  for (size_t i = 0; i < n; ++i) largest = std::fabs(x[i]) > largest ? std::fabs(x[i]) : largest;
  return largest;
}

int32_t quantize_i8(int8_t* q, const float* x, size_t n, float scale) {
  int32_t sum = 0;
  for (size_t i = 0; i < n; ++i) {
    float t = scale > 0.0f ? x[i] / scale : 0.0f;
    t = t < 127.0f ? t : 127.0f;  // a subnormal scale is inexact and could give more
    t = t > -127.0f ? t : -127.0f;
    q[i] = static_cast<int8_t>(std::nearbyint(t));
    sum += q[i];
  }
  return sum;
}

template <class T>
double busy(size_t rounds) {
  volatile T x = 1;  // read once: what the compiler knows it would not compute
  const T factor = x;
  T sums[8] = {};
  for (size_t i = 0; i < rounds; ++i)
    for (T& sum : sums) sum = sum * factor + factor;
  for (const T& sum : sums) x = sum;
  return 16.0 * static_cast<double>(rounds);
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
      .matmul_f32 = matmul<float, float>,
      .matmul_f32_fp16 = matmul<float, fp16>,
      .matmul_f32_bf16 = matmul<float, bf16>,
      .matmul_f32_i8 = matmul<float, int8_t>,
      .matmul_bf16 = matmul<bf16, bf16>,
      .matmul_bf16_i8 = matmul<bf16, int8_t>,
      .matmul_tiles_i8 = {matmul_tiles_i8<Format::kTern2>, matmul_tiles_i8<Format::kTern1_6>, matmul_tiles_i8<Format::kBin1>,
                          matmul_tiles_i8<Format::kInt3>, matmul_tiles_i8<Format::kInt4>, matmul_tiles_i8<Format::kInt6>,
                          matmul_tiles_i8<Format::kInt8>},
      .matmul_tiles_bf16 = {matmul_tiles_bf16<Format::kTern2>, matmul_tiles_bf16<Format::kTern1_6>,
                            matmul_tiles_bf16<Format::kBin1>, matmul_tiles_bf16<Format::kInt3>, matmul_tiles_bf16<Format::kInt4>,
                            matmul_tiles_bf16<Format::kInt6>, matmul_tiles_bf16<Format::kInt8>},
      .unpack_tile = {unpack_tile<Format::kTern2>, unpack_tile<Format::kTern1_6>, unpack_tile<Format::kBin1>,
                      unpack_tile<Format::kInt3>, unpack_tile<Format::kInt4>, unpack_tile<Format::kInt6>,
                      unpack_tile<Format::kInt8>},
      .attention_f32 = {attention_scores<float>, attention_values<float>},
      .attention_fp16 = {attention_scores<fp16>, attention_values<fp16>},
      .attention_i8 = {attention_scores<int8_t>, attention_values<int8_t>},
      .rope = rope,
      .add = add,
      .rmsnorm = rmsnorm,
      .silu_mul = silu_mul,
      .relu2_mul = relu2_mul,
      .gelu_mul = gelu_mul,
      .softmax = softmax,
      .log_sum_exp = log_sum_exp,
      .to_bf16 = to_bf16_row,
      .to_fp16 = to_fp16_row,
      .absmax = absmax,
      .quantize_i8 = quantize_i8,
      .busy_i8 = busy<int32_t>,
      .busy_bf16 = nullptr,
      .busy_f32 = busy<float>,
  };
  return table;
}

}  // namespace spectra::kernels
