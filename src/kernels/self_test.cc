// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <vector>

#include "base/rng.h"
#include "kernels/tables.h"
#include "lowbit/packed.h"

namespace spectra::kernels {
namespace {

constexpr size_t kRows = 7;              // of matvec: 4 together and 3 alone
constexpr double kBf16Tolerance = 1e-5;  // of the sum of absolute products

/// What a kernel may be given, at pointers without alignment.
struct Inputs {
  std::vector<float> x, w;
  std::vector<fp16> w_fp16;
  std::vector<bf16> x_bf16, w_bf16;
  std::vector<int8_t> x_i8, w_i8;
  std::vector<uint8_t> tern2, tern1_6, bin1;
  size_t stride;
};

/// Floats that have gone wrong elsewhere: zeros of both signs, subnormal, tiny, large, ties of rounding, ends of exp's range.
float edge_value(Rng& rng) {
  static constexpr float kEdges[] = {0.0f,   -0.0f,    1e-45f,    -1e-40f,  1.1754944e-38f, 3e-30f,  -1e15f, 1e15f,
                                     0.5f,   -1.5f,    2.5f,      126.5f,   -127.0f,        1.0f,    -1.0f,  88.7228f,
                                     88.73f, -87.336f, -87.3366f, -103.97f, -1e30f,         65504.0f};
  return kEdges[rng.below(std::size(kEdges))];
}

/// n elements of x and kRows * (n + 3) of w. With `edges`, a quarter of the floats are edge values.
Inputs make_inputs(size_t n, bool edges, Rng& rng) {
  Inputs in;
  in.stride = n + 3;
  const auto number = [&] {
    if (edges && rng.below(4) == 0) return edge_value(rng);
    return static_cast<float>((rng.uniform() - 0.5) * 16.0);
  };
  const auto byte = [&] { return static_cast<int8_t>(static_cast<int>(rng.below(256)) - 128); };
  for (size_t i = 0; i < n; ++i) {
    in.x.push_back(number());
    in.x_i8.push_back(byte());
    in.x_bf16.push_back(to_bf16(static_cast<float>(rng.uniform() - 0.5)));
  }
  for (size_t i = 0; i < kRows * in.stride; ++i) {
    in.w.push_back(number());
    in.w_fp16.push_back(to_fp16(std::clamp(in.w.back(), -65504.0f, 65504.0f)));
    in.w_bf16.push_back(to_bf16(static_cast<float>(rng.uniform() - 0.5)));
    in.w_i8.push_back(byte());
  }
  const auto pack = [&](lowbit::Format format, bool zeros) {
    std::vector<int8_t> codes(n);
    for (int8_t& code : codes)
      code = static_cast<int8_t>(zeros ? static_cast<int>(rng.below(3)) - 1 : static_cast<int>(rng.below(2)) * 2 - 1);
    std::vector<uint8_t> packed(static_cast<size_t>(lowbit::row_bytes(format, static_cast<int64_t>(n))));
    lowbit::pack_row(format, codes.data(), static_cast<int64_t>(n), packed.data());
    return packed;
  };
  in.tern2 = pack(lowbit::Format::kTern2, true);
  in.tern1_6 = pack(lowbit::Format::kTern1_6, true);
  in.bin1 = pack(lowbit::Format::kBin1, false);
  return in;
}

template <class T>
double different(const std::vector<T>& a, const std::vector<T>& b) {
  double count = 0;
  for (size_t i = 0; i < a.size(); ++i) count += std::memcmp(&a[i], &b[i], sizeof(T)) != 0;
  return count;
}

template <class T, class X, class W>
double compare_dot(T (*expected)(const X*, const W*, size_t), T (*actual)(const X*, const W*, size_t), const std::vector<X>& x,
                   const std::vector<W>& w) {
  return different<T>({expected(x.data(), w.data() + 1, x.size())}, {actual(x.data(), w.data() + 1, x.size())});
}

template <class T, class X, class W>
using Matvec = void (*)(T*, const X*, const W*, size_t, size_t, size_t);

template <class T, class X, class W>
double compare_matvec(Matvec<T, X, W> expected, Matvec<T, X, W> actual, const std::vector<X>& x, const std::vector<W>& w,
                      size_t stride) {
  std::vector<T> a(kRows), b(kRows);
  expected(a.data(), x.data(), w.data(), stride, kRows, x.size());
  actual(b.data(), x.data(), w.data(), stride, kRows, x.size());
  return different(a, b);
}

float as_float(bf16 value) { return to_float(value); }
float as_float(int8_t value) { return static_cast<float>(value); }

/// Largest difference of a row's result in units of the tolerance.
template <class W>
double compare_bf16(Matvec<float, bf16, W> expected, Matvec<float, bf16, W> actual, const std::vector<bf16>& x,
                    const std::vector<W>& w, size_t stride) {
  std::vector<float> a(kRows), b(kRows);
  expected(a.data(), x.data(), w.data(), stride, kRows, x.size());
  actual(b.data(), x.data(), w.data(), stride, kRows, x.size());
  double worst = 0;
  for (size_t r = 0; r < kRows; ++r) {
    double products = 0;
    for (size_t i = 0; i < x.size(); ++i) products += std::fabs(static_cast<double>(to_float(x[i])) * as_float(w[r * stride + i]));
    const double distance = std::fabs(static_cast<double>(a[r]) - static_cast<double>(b[r]));
    if (distance > 0) worst = std::max(worst, distance / (kBf16Tolerance * products));
    if (std::isnan(distance)) worst = INFINITY;
  }
  return worst;
}
template <class W>
double compare_bf16_dot(float (*expected)(const bf16*, const W*, size_t), float (*actual)(const bf16*, const W*, size_t),
                        const std::vector<bf16>& x, const std::vector<W>& w) {
  double products = 0;
  for (size_t i = 0; i < x.size(); ++i) products += std::fabs(static_cast<double>(to_float(x[i])) * as_float(w[i]));
  const double distance =
      std::fabs(static_cast<double>(expected(x.data(), w.data(), x.size())) - actual(x.data(), w.data(), x.size()));
  return distance == 0 ? 0 : distance / (kBf16Tolerance * products);
}

using Unpack = void (*)(const uint8_t*, size_t, int8_t*);
double compare_unpack(Unpack expected, Unpack actual, const std::vector<uint8_t>& packed, size_t n) {
  std::vector<int8_t> a(n + 64, 77), b(n + 64, 77);  // what lies behind the row must stay
  expected(packed.data(), n, a.data());
  actual(packed.data(), n, b.data());
  return different(a, b);
}

/// Runs `kernel(table, y)` on copies of `start` with both tables.
template <class Kernel>
double compare_in_place(const Kernels& s, const Kernels& t, std::vector<float> start, Kernel kernel) {
  std::vector<float> a = start, b = std::move(start);
  kernel(s, a.data());
  kernel(t, b.data());
  return different(a, b);
}

double compare_quantize(const Kernels& s, const Kernels& t, std::vector<float> x) {
  // Ties: with 127 as largest magnitude the scale is 1, and halves must go to the even neighbour.
  if (x.size() > 4) x[0] = 127.0f, x[1] = 2.5f, x[2] = -3.5f, x[3] = -0.5f;
  for (float& value : x) value = std::clamp(value, -127.0f, 127.0f);
  std::vector<int8_t> a(x.size()), b(x.size());
  const std::vector<float> scale_a = {s.quantize_i8(a.data(), x.data(), x.size())},
                           scale_b = {t.quantize_i8(b.data(), x.data(), x.size())};
  double bad = different(a, b) + different(scale_a, scale_b);
  for (float& value : x) value *= 3e-44f;  // subnormal scales
  const std::vector<float> tiny_a = {s.quantize_i8(a.data(), x.data(), x.size())},
                           tiny_b = {t.quantize_i8(b.data(), x.data(), x.size())};
  return bad + different(a, b) + different(tiny_a, tiny_b);
}

double compare_bf16_rounding(const Kernels& s, const Kernels& t, const std::vector<float>& x) {
  std::vector<bf16> a(x.size()), b(x.size());
  s.to_bf16(a.data(), x.data(), x.size());
  t.to_bf16(b.data(), x.data(), x.size());
  return different(a, b);
}

double compare_log_sum_exp(const Kernels& s, const Kernels& t, const std::vector<float>& x) {
  if (x.empty()) return 0;
  return different<float>({s.log_sum_exp(x.data(), x.size())}, {t.log_sum_exp(x.data(), x.size())});
}

struct Case {
  const char* name;
  bool tolerant;
  std::function<double(const Kernels& s, const Kernels& t, const Inputs& in)>
      run;  ///< different results, or units of the tolerance
};

using K = const Kernels&;
using In = const Inputs&;

const std::vector<Case>& cases() {
  static const std::vector<Case> all = {
      {"dot_f32", false, [](K s, K t, In in) { return compare_dot(s.dot_f32, t.dot_f32, in.x, in.w); }},
      {"dot_f32_fp16", false, [](K s, K t, In in) { return compare_dot(s.dot_f32_fp16, t.dot_f32_fp16, in.x, in.w_fp16); }},
      {"dot_f32_bf16", false, [](K s, K t, In in) { return compare_dot(s.dot_f32_bf16, t.dot_f32_bf16, in.x, in.w_bf16); }},
      {"dot_f32_i8", false, [](K s, K t, In in) { return compare_dot(s.dot_f32_i8, t.dot_f32_i8, in.x, in.w_i8); }},
      {"dot_i8", false, [](K s, K t, In in) { return compare_dot(s.dot_i8, t.dot_i8, in.x_i8, in.w_i8); }},
      {"dot_bf16_i8", true, [](K s, K t, In in) { return compare_bf16_dot(s.dot_bf16_i8, t.dot_bf16_i8, in.x_bf16, in.w_i8); }},
      {"dot_bf16", true, [](K s, K t, In in) { return compare_bf16_dot(s.dot_bf16, t.dot_bf16, in.x_bf16, in.w_bf16); }},
      {"matvec_f32", false, [](K s, K t, In in) { return compare_matvec(s.matvec_f32, t.matvec_f32, in.x, in.w, in.stride); }},
      {"matvec_f32_fp16", false,
       [](K s, K t, In in) { return compare_matvec(s.matvec_f32_fp16, t.matvec_f32_fp16, in.x, in.w_fp16, in.stride); }},
      {"matvec_f32_bf16", false,
       [](K s, K t, In in) { return compare_matvec(s.matvec_f32_bf16, t.matvec_f32_bf16, in.x, in.w_bf16, in.stride); }},
      {"matvec_f32_i8", false,
       [](K s, K t, In in) { return compare_matvec(s.matvec_f32_i8, t.matvec_f32_i8, in.x, in.w_i8, in.stride); }},
      {"matvec_i8", false, [](K s, K t, In in) { return compare_matvec(s.matvec_i8, t.matvec_i8, in.x_i8, in.w_i8, in.stride); }},
      {"matvec_bf16_i8", true,
       [](K s, K t, In in) { return compare_bf16(s.matvec_bf16_i8, t.matvec_bf16_i8, in.x_bf16, in.w_i8, in.stride); }},
      {"matvec_bf16", true,
       [](K s, K t, In in) { return compare_bf16(s.matvec_bf16, t.matvec_bf16, in.x_bf16, in.w_bf16, in.stride); }},
      {"unpack_tern2", false,
       [](K s, K t, In in) { return compare_unpack(s.unpack_tern2, t.unpack_tern2, in.tern2, in.x.size()); }},
      {"unpack_tern1_6", false,
       [](K s, K t, In in) { return compare_unpack(s.unpack_tern1_6, t.unpack_tern1_6, in.tern1_6, in.x.size()); }},
      {"unpack_bin1", false, [](K s, K t, In in) { return compare_unpack(s.unpack_bin1, t.unpack_bin1, in.bin1, in.x.size()); }},
      {"axpy", false,
       [](K s, K t, In in) {
         return compare_in_place(s, t, in.w, [&](K k, float* y) { k.axpy(y + 1, 1.7f, in.x.data(), in.x.size()); });
       }},
      {"rmsnorm", false,
       [](K s, K t, In in) {
         return compare_in_place(s, t, in.w,
                                 [&](K k, float* y) { k.rmsnorm(y + 1, in.x.data(), in.w.data(), in.x.size(), 1e-5f); });
       }},
      {"silu_mul", false,
       [](K s, K t, In in) {
         return compare_in_place(s, t, in.w, [&](K k, float* y) { k.silu_mul(y + 1, in.x.data(), in.w.data(), in.x.size()); });
       }},
      {"softmax", false,
       [](K s, K t, In in) { return compare_in_place(s, t, in.w, [&](K k, float* y) { k.softmax(y + 1, in.x.size()); }); }},
      {"log_sum_exp", false, [](K s, K t, In in) { return compare_log_sum_exp(s, t, in.x); }},
      {"to_bf16", false, [](K s, K t, In in) { return compare_bf16_rounding(s, t, in.w); }},
      {"quantize_i8", false, [](K s, K t, In in) { return compare_quantize(s, t, in.x); }},
  };
  return all;
}

}  // namespace

size_t self_test(const Kernels& table, uint64_t seed, SelfTestResult* results, size_t capacity) {
  const Kernels& scalar = scalar_kernels();
  std::vector<size_t> lengths = {255, 256, 257, 319, 320, 321, 400, 1000, 1023, 3072};
  for (size_t n = 0; n <= 200; ++n) lengths.push_back(n);
  std::vector<SelfTestResult> found;
  for (const Case& one : cases()) found.push_back({one.name, true, 0.0});
  Rng rng(seed);
  for (const size_t n : lengths) {
    for (const bool edges : {false, true}) {
      const Inputs in = make_inputs(n, edges, rng);
      for (size_t k = 0; k < found.size(); ++k) {
        const double result = cases()[k].run(scalar, table, in);
        found[k].worst = cases()[k].tolerant ? std::max(found[k].worst, result) : found[k].worst + result;
        found[k].equal = found[k].worst <= (cases()[k].tolerant ? 1.0 : 0.0);
      }
    }
  }
  std::copy_n(found.begin(), std::min(capacity, found.size()), results);
  return found.size();
}

size_t self_test(Isa isa, uint64_t seed, SelfTestResult* results, size_t capacity) {
  return self_test(kernels_for(isa), seed, results, capacity);
}

}  // namespace spectra::kernels
