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

template <class X, class W>
float dot(const X* x, const W* w, size_t n) {
  Lanes sum = Lanes::all(0.0f);
  for (size_t i = 0; i < n; i += kLanes) sum = fma(load_some(x + i, n - i), load_some(w + i, n - i), sum);
  return sum.sum();
}

/// The sum of each of R registers. An instruction set may have a faster one for a given R.
template <int R>
inline void store_sums(float* y, const Lanes (&sums)[R]) {
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) y[r] = sums[r].sum();
}

/// R rows times M token rows, one register of lanes each: every weight that is loaded and widened meets M tokens.
template <int R, int M, class X, class W>
inline void dot_block(float* y, size_t y_stride, const X* x, size_t x_stride, const W* w, size_t w_stride, size_t n) {
  Lanes sums[M][R];
#pragma GCC unroll 8
  for (int t = 0; t < M; ++t)
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) sums[t][r] = Lanes::all(0.0f);
  const auto add = [&](size_t i, auto load) {
    Lanes weights[R];
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) weights[r] = load(w + static_cast<size_t>(r) * w_stride + i);
#pragma GCC unroll 8
    for (int t = 0; t < M; ++t) {
      const Lanes xi = load(x + static_cast<size_t>(t) * x_stride + i);
#pragma GCC unroll 8
      for (int r = 0; r < R; ++r) sums[t][r] = fma(xi, weights[r], sums[t][r]);
    }
  };
  // For one token, weights come from memory: far enough ahead (bench/ladder has other distances), in the order of memory.
  constexpr size_t kAhead = 16384;
  size_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    if (M == 1)
      for (size_t line = 0; line < R * kLanes * sizeof(W); line += 64)
        __builtin_prefetch(reinterpret_cast<const char*>(w + R * i) + kAhead + line);
    add(i, [](const auto* p) { return Lanes::load(p); });
  }
  if (i < n) add(i, [&](const auto* p) { return load_some(p, n - i); });
#pragma GCC unroll 8
  for (int t = 0; t < M; ++t) store_sums(y + static_cast<size_t>(t) * y_stride, sums[t]);
}

template <int M, class X, class W>
inline void dot_rows(float* y, size_t y_stride, const X* x, size_t x_stride, const W* w, size_t w_stride, size_t rows, size_t n) {
  constexpr int R = M == 1 ? 2 : Lanes::kBlock;
  size_t r = 0;
  for (; r + R <= rows; r += R) dot_block<R, M>(y + r, y_stride, x, x_stride, w + r * w_stride, w_stride, n);
  for (; r < rows; ++r) dot_block<1, M>(y + r, y_stride, x, x_stride, w + r * w_stride, w_stride, n);
}

/// Asks for the share of the next `bytes` that falls to kBlock of `tokens`; what lies behind the end of an array is ignored.
inline void fetch_ahead(const void* next, size_t bytes, size_t t, size_t tokens) {
  const size_t end = bytes * (t + Lanes::kBlock) / tokens;
  for (size_t at = bytes * t / tokens; at < end; at += 64) __builtin_prefetch(static_cast<const char*>(next) + at);
}

template <class X, class W>
void matmul(float* y, size_t y_stride, const X* x, size_t x_stride, size_t tokens, const W* w, size_t w_stride, size_t rows,
            size_t n) {
  constexpr size_t kRows = 32;  // stay in the first-level cache while all token rows pass
  for (size_t first = 0; first < rows; first += kRows) {
    const size_t here = rows - first < kRows ? rows - first : kRows;
    const W* part = w + first * w_stride;
    size_t t = 0;
    for (; t + Lanes::kBlock <= tokens; t += Lanes::kBlock) {
      fetch_ahead(part + kRows * w_stride, kRows * w_stride * sizeof(W), t, tokens);
      dot_rows<Lanes::kBlock>(y + t * y_stride + first, y_stride, x + t * x_stride, x_stride, part, w_stride, here, n);
    }
    for (; t < tokens; ++t) dot_rows<1>(y + t * y_stride + first, y_stride, x + t * x_stride, x_stride, part, w_stride, here, n);
  }
}

/// Scores of M queries with B blocks of 16 keys.
template <int M, int B, class T>
inline void score_block(float* scores, size_t stride, const float* query, size_t query_stride, const T* keys, const float* scale,
                        size_t head_dim) {
  Lanes sums[M][B];
#pragma GCC unroll 8
  for (int q = 0; q < M; ++q)
#pragma GCC unroll 8
    for (int b = 0; b < B; ++b) sums[q][b] = Lanes::all(0.0f);
  for (size_t e = 0; e < head_dim; ++e) {
    Lanes key[B];
#pragma GCC unroll 8
    for (int b = 0; b < B; ++b) key[b] = Lanes::load(keys + (static_cast<size_t>(b) * head_dim + e) * kLanes);
#pragma GCC unroll 8
    for (int q = 0; q < M; ++q) {
      const Lanes x = Lanes::all(query[static_cast<size_t>(q) * query_stride + e]);
#pragma GCC unroll 8
      for (int b = 0; b < B; ++b) sums[q][b] = fma(x, key[b], sums[q][b]);
    }
  }
#pragma GCC unroll 8
  for (int q = 0; q < M; ++q)
#pragma GCC unroll 8
    for (int b = 0; b < B; ++b) {
      const size_t j = static_cast<size_t>(b) * kLanes;
      if (scale != nullptr) sums[q][b] = sums[q][b] * Lanes::load(scale + j);
      sums[q][b].store(scores + static_cast<size_t>(q) * stride + j);
    }
}

template <class T>
void attention_scores(float* scores, size_t stride, const float* query, size_t query_stride, size_t queries, const T* keys,
                      const float* scale, size_t head_dim, size_t blocks) {
  constexpr size_t B = Lanes::kBlock, M = Lanes::kBlock;
  for (size_t b = 0; b < blocks;) {
    const bool many = b + B <= blocks;
    const T* k = keys + b * head_dim * kLanes;
    const float* s = scale == nullptr ? nullptr : scale + b * kLanes;
    size_t q = 0;
    for (; many && q + M <= queries; q += M)
      score_block<M, B>(scores + q * stride + b * kLanes, stride, query + q * query_stride, query_stride, k, s, head_dim);
    for (; q < queries; ++q) {
      float* out = scores + q * stride + b * kLanes;
      if (many)
        score_block<1, B>(out, stride, query + q * query_stride, query_stride, k, s, head_dim);
      else
        score_block<1, 1>(out, stride, query + q * query_stride, query_stride, k, s, head_dim);
    }
    b += many ? B : 1;
  }
}

/// Adds `positions` weighted values to B registers of M queries.
template <int M, int B, class T>
inline void value_block(float* out, size_t out_stride, const float* p, size_t stride, const T* values, const float* scale,
                        size_t width, size_t positions) {
  Lanes sums[M][B];
#pragma GCC unroll 8
  for (int q = 0; q < M; ++q)
#pragma GCC unroll 8
    for (int b = 0; b < B; ++b) sums[q][b] = Lanes::load(out + static_cast<size_t>(q) * out_stride + b * kLanes);
  for (size_t j = 0; j < positions; ++j) {
    Lanes value[B];
#pragma GCC unroll 8
    for (int b = 0; b < B; ++b) value[b] = Lanes::load(values + j * width + b * kLanes);
#pragma GCC unroll 8
    for (int q = 0; q < M; ++q) {
      const float weight = p[static_cast<size_t>(q) * stride + j];
      const Lanes x = Lanes::all(scale == nullptr ? weight : weight * scale[j]);
#pragma GCC unroll 8
      for (int b = 0; b < B; ++b) sums[q][b] = fma(x, value[b], sums[q][b]);
    }
  }
#pragma GCC unroll 8
  for (int q = 0; q < M; ++q)
#pragma GCC unroll 8
    for (int b = 0; b < B; ++b) sums[q][b].store(out + static_cast<size_t>(q) * out_stride + b * kLanes);
}

template <class T>
void attention_values(float* out, size_t out_stride, const float* p, size_t stride, size_t queries, const T* values,
                      const float* scale, size_t width, size_t positions) {
  constexpr size_t B = Lanes::kBlock, M = Lanes::kBlock;
  for (size_t v = 0; v < width;) {
    const bool many = v + B * kLanes <= width;
    size_t q = 0;
    for (; many && q + M <= queries; q += M)
      value_block<M, B>(out + q * out_stride + v, out_stride, p + q * stride, stride, values + v, scale, width, positions);
    for (; q < queries; ++q) {
      if (many)
        value_block<1, B>(out + q * out_stride + v, out_stride, p + q * stride, stride, values + v, scale, width, positions);
      else
        value_block<1, 1>(out + q * out_stride + v, out_stride, p + q * stride, stride, values + v, scale, width, positions);
    }
    v += many ? B * kLanes : kLanes;
  }
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

void rope(float* head, const float* cos, const float* sin, size_t half, float scale) {
  for (size_t i = 0; i < half; i += kLanes) {
    const size_t n = half - i;
    const Lanes a = load_some(head + i, n), b = load_some(head + half + i, n), c = load_some(cos + i, n), s = load_some(sin + i, n);
    store_some(head + i, n, (a * c - b * s) * Lanes::all(scale));
    store_some(head + half + i, n, (b * c + a * s) * Lanes::all(scale));
  }
}

void add(float* y, const float* x, size_t n) {
  for (size_t i = 0; i < n; i += kLanes) store_some(y + i, n - i, load_some(y + i, n - i) + load_some(x + i, n - i));
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

void to_fp16_row(fp16* y, const float* x, size_t n) {
  for (size_t i = 0; i < n; i += kLanes) store_some(y + i, n - i, load_some(x + i, n - i));
}

float absmax(const float* x, size_t n) {
  Lanes largest = Lanes::all(0.0f);
  for (size_t i = 0; i < n; i += kLanes) largest = max(largest, load_some(x + i, n - i).magnitude());
  return largest.largest();
}

int32_t quantize_i8(int8_t* q, const float* x, size_t n, float scale) {
  if (!(scale > 0.0f)) {
    for (size_t i = 0; i < n; ++i) q[i] = 0;
    return 0;
  }
  Lanes sums = Lanes::all(0.0f);  // of whole numbers below 2^24, so the order does not matter
  for (size_t i = 0; i < n; i += kLanes) {
    const Lanes t = load_some(x + i, n - i) / Lanes::all(scale);
    const Lanes whole = round_even(max(min(t, Lanes::all(127.0f)), Lanes::all(-127.0f)));
    sums = sums + whole;
    store_some(q + i, n - i, whole);
  }
  return static_cast<int32_t>(sums.sum());
}

double busy_f32(size_t rounds) {
  constexpr int kApart = 24 / Lanes::kRegisters;
  Lanes sums[kApart], x = Lanes::all(1.0f);
  for (Lanes& sum : sums) sum = Lanes::all(0.0f);
  for (size_t i = 0; i < rounds; ++i) {
    x.renew();
#pragma GCC unroll 24
    for (int k = 0; k < kApart; ++k) sums[k] = fma(x, x, sums[k]);
  }
  for (int k = 1; k < kApart; ++k) sums[0] = sums[0] + sums[k];
  sums[0].renew();
  return static_cast<double>(rounds) * kApart * kLanes * 2;
}

/// Points the table at the functions above.
inline void use_lanes(Kernels& table) {
  table.matmul_f32 = matmul<float, float>;
  table.matmul_f32_fp16 = matmul<float, fp16>;
  table.matmul_f32_bf16 = matmul<float, bf16>;
  table.matmul_f32_i8 = matmul<float, int8_t>;
  table.matmul_bf16 = matmul<bf16, bf16>;
  table.matmul_bf16_i8 = matmul<bf16, int8_t>;
  table.attention_f32 = {attention_scores<float>, attention_values<float>};
  table.attention_fp16 = {attention_scores<fp16>, attention_values<fp16>};
  table.attention_i8 = {attention_scores<int8_t>, attention_values<int8_t>};
  table.rope = rope;
  table.add = add;
  table.rmsnorm = rmsnorm;
  table.silu_mul = silu_mul;
  table.softmax = softmax;
  table.log_sum_exp = log_sum_exp;
  table.to_bf16 = to_bf16_row;
  table.to_fp16 = to_fp16_row;
  table.absmax = absmax;
  table.quantize_i8 = quantize_i8;
  table.busy_f32 = busy_f32;
}

}  // namespace
}  // namespace spectra::kernels
