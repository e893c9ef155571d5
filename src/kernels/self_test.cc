// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include "base/rng.h"
#include "kernels/self_test_inputs.h"
#include "kernels/tables.h"

namespace spectra::kernels {
namespace {

constexpr double kBf16Tolerance = 1e-5;  // of the sum of absolute products

template <class T>
double different(const std::vector<T>& a, const std::vector<T>& b) {
  double count = 0;
  for (size_t i = 0; i < a.size(); ++i) count += std::memcmp(&a[i], &b[i], sizeof(T)) != 0;
  return count;
}

/// Runs `kernel(table, y)` on copies of `start` with both tables.
template <class T, class Kernel>
double compare(const Kernels& s, const Kernels& t, const std::vector<T>& start, Kernel kernel) {
  std::vector<T> a = start, b = start;
  kernel(s, a.data());
  kernel(t, b.data());
  return different(a, b);
}

template <class X, class W>
double compare_matmul(Matmul<X, W> expected, Matmul<X, W> actual, const Inputs& in, const std::vector<X>& x,
                      const std::vector<W>& w) {
  std::vector<float> a(in.tokens * in.y_stride, 7.0f), b = a;
  expected(a.data(), in.y_stride, x.data() + 1, in.stride, in.tokens, w.data() + 1, in.stride, in.rows, in.n);
  actual(b.data(), in.y_stride, x.data() + 1, in.stride, in.tokens, w.data() + 1, in.stride, in.rows, in.n);
  return different(a, b);
}

float as_float(bf16 value) { return to_float(value); }
float as_float(int8_t value) { return static_cast<float>(value); }

/// |a - b| in units of the tolerance, given the sum of absolute products.
double distance(float a, float b, double products) {
  const double apart = std::fabs(static_cast<double>(a) - static_cast<double>(b));
  if (std::isnan(apart)) return INFINITY;
  return apart == 0 ? 0 : apart / (kBf16Tolerance * products);
}

template <class W>
double compare_bf16(Matmul<bf16, W> expected, Matmul<bf16, W> actual, const Inputs& in, const std::vector<W>& w) {
  std::vector<float> a(in.tokens * in.y_stride, 7.0f), b = a;
  expected(a.data(), in.y_stride, in.x_bf16.data() + 1, in.stride, in.tokens, w.data() + 1, in.stride, in.rows, in.n);
  actual(b.data(), in.y_stride, in.x_bf16.data() + 1, in.stride, in.tokens, w.data() + 1, in.stride, in.rows, in.n);
  double worst = 0;
  for (size_t t = 0; t < in.tokens; ++t)
    for (size_t r = 0; r < in.rows; ++r) {
      double products = 0;
      for (size_t i = 0; i < in.n; ++i)
        products += std::fabs(static_cast<double>(to_float(in.x_bf16[1 + t * in.stride + i])) * as_float(w[1 + r * in.stride + i]));
      worst = std::max(worst, distance(a[t * in.y_stride + r], b[t * in.y_stride + r], products));
    }
  return worst;
}

double compare_tiles_i8(const Kernels& s, const Kernels& t, const TileInputs& in) {
  return compare(s, t, in.y, [&](const Kernels& k, float* y) {
    k.matmul_tiles_i8[static_cast<size_t>(in.layout.format)](y, in.y_stride, in.span(), in.int8_rows());
  });
}

double compare_tiles_bf16(const Kernels& s, const Kernels& t, const TileInputs& in) {
  const auto f = static_cast<size_t>(in.layout.format);
  std::vector<float> a = in.y, b = in.y;
  s.matmul_tiles_bf16[f](a.data(), in.y_stride, in.span(), in.bf16_rows());
  t.matmul_tiles_bf16[f](b.data(), in.y_stride, in.span(), in.bf16_rows());
  double worst = 0;
  for (size_t i = 0; i < a.size(); ++i) worst = std::max(worst, distance(a[i], b[i], in.products));
  return worst;
}

double compare_unpack(const Kernels& s, const Kernels& t, const TileInputs& in) {
  const std::vector<int8_t> start(lowbit::kTileRows * in.code_stride + 64, 77);  // what lies behind the rows must stay
  return compare(s, t, start, [&](const Kernels& k, int8_t* codes) {
    k.unpack_tile[static_cast<size_t>(in.layout.format)](codes, in.code_stride, in.packed.data(), in.columns.size(),
                                                         in.columns.data());
  });
}

template <class T>
double compare_attention(const Kernels& s, const Kernels& t, const Attention<T> Kernels::*member, const Inputs& in,
                         const std::vector<T>& cache) {
  const size_t head_dim = in.n % 150, width = (head_dim + 15) / 16 * 16, blocks = in.rows % 5, queries = in.tokens;
  const float* scale = sizeof(T) == 1 ? in.w.data() : nullptr;
  const size_t stride = 16 * blocks + 3;
  const double scores = compare(s, t, std::vector<float>(queries * stride, 7.0f), [&](const Kernels& k, float* y) {
    (k.*member).scores(y, stride, in.x.data(), head_dim, queries, cache.data(), scale, head_dim, blocks);
  });
  const std::vector<float> start(in.x.begin(), in.x.begin() + static_cast<ptrdiff_t>(queries * width));
  return scores + compare(s, t, start, [&](const Kernels& k, float* out) {
           (k.*member).values(out, width, in.w.data(), stride, queries, cache.data(), scale, width, 3 * blocks);
         });
}

double compare_quantize(const Kernels& s, const Kernels& t, std::vector<float> x) {
  // Ties: with 127 as largest magnitude the scale is 1, and halves must go to the even neighbour.
  if (x.size() > 4) x[0] = 127.0f, x[1] = 2.5f, x[2] = -3.5f, x[3] = -0.5f;
  for (float& value : x) value = std::clamp(value, -127.0f, 127.0f);
  const auto both = [&](const Kernels& k, const std::vector<float>& values, std::vector<int8_t>& q) {
    const float scale = k.absmax(values.data(), values.size()) / 127.0f;
    return std::vector<float>{scale, static_cast<float>(k.quantize_i8(q.data(), values.data(), values.size(), scale))};
  };
  std::vector<int8_t> a(x.size()), b(x.size());
  const std::vector<float> facts_a = both(s, x, a), facts_b = both(t, x, b);
  double bad = different(a, b) + different(facts_a, facts_b);
  for (float& value : x) value *= 3e-44f;  // subnormal scales
  const std::vector<float> tiny_a = both(s, x, a), tiny_b = both(t, x, b);
  return bad + different(a, b) + different(tiny_a, tiny_b);
}

double compare_log_sum_exp(const Kernels& s, const Kernels& t, const Inputs& in) {
  if (in.n == 0) return 0;
  return different<float>({s.log_sum_exp(in.x.data(), in.n)}, {t.log_sum_exp(in.x.data(), in.n)});
}

/// Different results, or units of the tolerance.
struct Case {
  std::string name;
  bool tolerant;
  std::function<double(const Kernels& s, const Kernels& t, const Inputs& in)> run;
  std::function<bool(const Kernels& t)> present = [](const Kernels&) { return true; };
};

using K = const Kernels&;
using In = const Inputs&;

std::vector<Case> dense_cases() {
  return {
      {"matmul_f32", false, [](K s, K t, In in) { return compare_matmul(s.matmul_f32, t.matmul_f32, in, in.x, in.w); }},
      {"matmul_f32_fp16", false,
       [](K s, K t, In in) { return compare_matmul(s.matmul_f32_fp16, t.matmul_f32_fp16, in, in.x, in.w_fp16); }},
      {"matmul_f32_bf16", false,
       [](K s, K t, In in) { return compare_matmul(s.matmul_f32_bf16, t.matmul_f32_bf16, in, in.x, in.w_bf16); }},
      {"matmul_f32_i8", false, [](K s, K t, In in) { return compare_matmul(s.matmul_f32_i8, t.matmul_f32_i8, in, in.x, in.w_i8); }},
      {"matmul_bf16", true, [](K s, K t, In in) { return compare_bf16(s.matmul_bf16, t.matmul_bf16, in, in.w_bf16); }},
      {"matmul_bf16_i8", true, [](K s, K t, In in) { return compare_bf16(s.matmul_bf16_i8, t.matmul_bf16_i8, in, in.w_i8); }},
      {"attention_f32", false, [](K s, K t, In in) { return compare_attention(s, t, &Kernels::attention_f32, in, in.w); }},
      {"attention_fp16", false, [](K s, K t, In in) { return compare_attention(s, t, &Kernels::attention_fp16, in, in.w_fp16); }},
      {"attention_i8", false, [](K s, K t, In in) { return compare_attention(s, t, &Kernels::attention_i8, in, in.w_i8); }},
      {"rope", false,
       [](K s, K t, In in) {
         return compare(s, t, in.w, [&](K k, float* y) { k.rope(y + 1, in.x.data(), in.x.data() + 1, in.n / 2, 0.3f); });
       }},
      {"add", false, [](K s, K t, In in) { return compare(s, t, in.w, [&](K k, float* y) { k.add(y + 1, in.x.data(), in.n); }); }},
      {"rmsnorm", false,
       [](K s, K t, In in) {
         return compare(s, t, in.w, [&](K k, float* y) { k.rmsnorm(y + 1, in.x.data(), in.w.data(), in.n, 1e-5f); });
       }},
      {"silu_mul", false,
       [](K s, K t, In in) {
         return compare(s, t, in.w, [&](K k, float* y) { k.silu_mul(y + 1, in.x.data(), in.w.data(), in.n); });
       }},
      {"relu2_mul", false,
       [](K s, K t, In in) {
         return compare(s, t, in.w, [&](K k, float* y) { k.relu2_mul(y + 1, in.x.data(), in.w.data(), in.n); });
       }},
      {"gelu_mul", false,
       [](K s, K t, In in) {
         return compare(s, t, in.w, [&](K k, float* y) { k.gelu_mul(y + 1, in.x.data(), in.w.data(), in.n); });
       }},
      {"softmax", false, [](K s, K t, In in) { return compare(s, t, in.w, [&](K k, float* y) { k.softmax(y + 1, in.n); }); }},
      {"log_sum_exp", false, [](K s, K t, In in) { return compare_log_sum_exp(s, t, in); }},
      {"to_bf16", false,
       [](K s, K t, In in) { return compare(s, t, in.w_bf16, [&](K k, bf16* y) { k.to_bf16(y, in.x.data(), in.n); }); }},
      {"to_fp16", false,
       [](K s, K t, In in) { return compare(s, t, in.w_fp16, [&](K k, fp16* y) { k.to_fp16(y, in.x.data(), in.n); }); }},
      {"absmax, quantize_i8", false,
       [](K s, K t, In in) {
         return compare_quantize(s, t, {in.x.begin(), in.x.begin() + static_cast<ptrdiff_t>(in.n)});
       }},
  };
}

const std::vector<Case>& cases() {
  static const std::vector<Case> all = [] {
    std::vector<Case> list = dense_cases();
    for (size_t f = 0; f < lowbit::kFormats; ++f) {
      const auto format = static_cast<lowbit::Format>(f);
      const std::string name = lowbit::format_name(format);
      const auto with = [f](auto run) { return [f, run](K s, K t, In in) { return run(s, t, in.tiles[f]); }; };
      list.push_back({"matmul_tiles_i8 " + name, false, with(compare_tiles_i8)});
      list.push_back({"matmul_tiles_bf16 " + name, true, with(compare_tiles_bf16),
                      [f](const Kernels& t) { return t.matmul_tiles_bf16[f] != nullptr; }});
      list.push_back({"unpack_tile " + name, false, with(compare_unpack)});
    }
    return list;
  }();
  return all;
}

}  // namespace

size_t self_test(const Kernels& table, uint64_t seed, SelfTestResult* results, size_t capacity) {
  const Kernels& scalar = scalar_kernels();
  std::vector<SelfTestResult> found;
  for (const Case& one : cases()) found.push_back({one.name.c_str(), one.present(table), true, 0.0});
  Rng rng(seed);
  for (const size_t n : self_test_lengths())
    for (const bool edges : {false, true}) {
      const Inputs in = make_inputs(n, edges, rng);
      for (size_t k = 0; k < found.size(); ++k) {
        if (!found[k].present) continue;
        const double result = cases()[k].run(scalar, table, in);
        found[k].worst = cases()[k].tolerant ? std::max(found[k].worst, result) : found[k].worst + result;
        found[k].equal = found[k].worst <= (cases()[k].tolerant ? 1.0 : 0.0);
      }
    }
  std::copy_n(found.begin(), std::min(capacity, found.size()), results);
  return found.size();
}

size_t self_test(Isa isa, uint64_t seed, SelfTestResult* results, size_t capacity) {
  return self_test(kernels_for(isa), seed, results, capacity);
}

}  // namespace spectra::kernels
