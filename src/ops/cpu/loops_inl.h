// SPDX-License-Identifier: Apache-2.0
// The elementwise and row loops, included by each loops_*.cc after its vec_*.h. Everything has internal linkage: a function
// compiled for AVX-512 must never be the copy that another file links to.
#include <math.h>

#include "ops/cpu/loops.h"

namespace spectra::ops::cpu {
namespace {

// A loop body runs on 16 elements (Full) or on the last n < 16 (Part), where missing lanes read as zero.
struct Full {};
struct Part {
  int64_t n;
};
template <class T>
inline Vec get(const T* p, Full) {
  return load(p);
}
template <class T>
inline Vec get(const T* p, Part part) {
  return load_first(p, part.n);
}
template <class T>
inline void put(T* p, Full, Vec x) {
  store(p, x);
}
template <class T>
inline void put(T* p, Part part, Vec x) {
  store_first(p, part.n, x);
}
template <class F>
inline void each(int64_t n, F body) {
  int64_t i = 0;
  for (; i + 16 <= n; i += 16) body(i, Full{});
  if (i < n) body(i, Part{n - i});
}

/// e^x to 2 ulp: 2^n * e^r, n = round(x / ln 2), r in two parts of ln 2, minimax polynomial of degree 6 for e^r on |r| <= ln 2 / 2
/// (Taylor's coefficients differ from the minimax ones below fp32 resolution from the cubic term down). 0 below -87.3; NaN stays
/// NaN.
inline Vec exp(Vec x) {
  const Vec lowest = set(-87.3f);
  const Vec bounded = min(set(88.3f), max(lowest, x));
  const Vec n = round_even(bounded * set(1.44269504f));
  const Vec r = fma(n, set(2.12194440e-4f), fma(n, set(-0.693359375f), bounded));
  Vec p = set(1.98412698e-4f);  // 1/7!
  p = fma(p, r, set(1.38888889e-3f));
  p = fma(p, r, set(8.33333333e-3f));
  p = fma(p, r, set(4.16666667e-2f));
  p = fma(p, r, set(1.66666667e-1f));
  p = fma(p, r, set(0.5f));
  p = fma(p, r, set(1.0f));
  p = fma(p, r, set(1.0f));
  return select_greater(lowest, x, set(0.0f), times_power_of_two(p, n));
}

template <class Y, class X>
void convert(void* y, const void* x, int64_t n) {
  each(n, [&](int64_t i, auto lanes) { put(static_cast<Y*>(y) + i, lanes, get(static_cast<const X*>(x) + i, lanes)); });
}

template <class Y, class X>
void add(void* y_, const void* x_, int64_t n) {
  Y* y = static_cast<Y*>(y_);
  const X* x = static_cast<const X*>(x_);
  each(n, [&](int64_t i, auto lanes) { put(y + i, lanes, get(y + i, lanes) + get(x + i, lanes)); });
}

template <class T>
void scale(void* y, const void* x, const float* factor, int64_t n) {
  each(n, [&](int64_t i, auto lanes) {
    put(static_cast<T*>(y) + i, lanes, get(static_cast<const T*>(x) + i, lanes) * get(factor + i, lanes));
  });
}

template <class T>
float rmsnorm(void* y_, const float* x, const float* w, int64_t n, float eps) {
  T* y = static_cast<T*>(y_);
  Vec squares = set(0);
  each(n, [&](int64_t i, auto lanes) {
    const Vec v = get(x + i, lanes);
    squares = fma(v, v, squares);
  });
  const float rstd = 1.0f / sqrtf(sum(squares) / static_cast<float>(n) + eps);
  each(n, [&](int64_t i, auto lanes) { put(y + i, lanes, get(x + i, lanes) * set(rstd) * get(w + i, lanes)); });
  return rstd;
}

/// y_i = x_i r w_i with r = (mean x² + eps)^-1/2, so dx = r (w dy) - x r³ mean(x w dy).
template <class T>
void rmsnorm_backward(float* dx, float* dw, const void* dy_, const float* x, float rstd, const float* w, int64_t n) {
  const T* dy = static_cast<const T*>(dy_);
  const Vec r = set(rstd);
  Vec dot = set(0);
  each(n, [&](int64_t i, auto lanes) {
    const Vec xd = get(x + i, lanes) * get(dy + i, lanes);
    dot = fma(xd, get(w + i, lanes), dot);
    put(dw + i, lanes, fma(xd, r, get(dw + i, lanes)));
  });
  const Vec back = set(-rstd * rstd * rstd * sum(dot) / static_cast<float>(n));
  each(n, [&](int64_t i, auto lanes) {
    const Vec direct = fma(get(w + i, lanes) * r, get(dy + i, lanes), get(dx + i, lanes));
    put(dx + i, lanes, fma(get(x + i, lanes), back, direct));
  });
}

template <class T>
void rope(void* x_, int64_t heads, int64_t half, const float* cosines, const float* sines) {
  T* x = static_cast<T*>(x_);
  for (int64_t h = 0; h < heads; ++h, x += 2 * half) {
    each(half, [&](int64_t i, auto lanes) {
      const Vec c = get(cosines + i, lanes), s = get(sines + i, lanes);
      const Vec a = get(x + i, lanes), b = get(x + half + i, lanes);
      put(x + i, lanes, a * c - b * s);
      put(x + half + i, lanes, fma(b, c, a * s));
    });
  }
}

inline Vec sigmoid(Vec x) { return set(1) / (set(1) + exp(set(0) - x)); }

// The function f of a gate g: f(g), d f(g) and d f'(g).
/// f = g s, f' = s (1 + g (1 - s)), s = sigmoid(g).
struct SiluGate {
  explicit SiluGate(Vec gate) : g(gate), s(sigmoid(gate)) {}
  Vec value() const { return g * s; }
  Vec value(Vec d) const { return d * g * s; }
  Vec slope(Vec d) const { return d * s * fma(g, set(1) - s, set(1)); }
  Vec g, s;
};
/// f = max(g, 0)².
struct Relu2Gate {
  explicit Relu2Gate(Vec gate) : g(max(gate, set(0))) {}
  Vec value() const { return g * g; }
  Vec value(Vec d) const { return d * g * g; }
  Vec slope(Vec d) const { return d * (g + g); }
  Vec g;
};
/// f = g Φ(g), f' = Φ(g) + g Φ'(g). Φ by the error function to 1.5e-7 (Abramowitz & Stegun 7.1.26).
struct GeluGate {
  explicit GeluGate(Vec gate) : g(gate) {
    const Vec bell = exp(set(-0.5f) * g * g), size = abs(g);
    const Vec t = set(1) / fma(size, set(0.3275911f * 0.70710678f), set(1));
    Vec p = fma(t, set(1.061405429f), set(-1.453152027f));
    p = fma(p, t, set(1.421413741f));
    p = fma(p, t, set(-0.284496736f));
    p = fma(p, t, set(0.254829592f));
    const Vec erf = (set(1) - p * t * bell) * (g / max(size, set(1e-30f)));
    below = fma(erf, set(0.5f), set(0.5f));
    density = bell * set(0.39894228f);
  }
  Vec value() const { return g * below; }
  Vec value(Vec d) const { return d * g * below; }
  Vec slope(Vec d) const { return d * fma(g, density, below); }
  Vec g, below, density;
};

template <class T, class F>
void glu(void* h, const void* gate, const void* up, int64_t n) {
  each(n, [&](int64_t i, auto lanes) {
    const F f(get(static_cast<const T*>(gate) + i, lanes));
    put(static_cast<T*>(h) + i, lanes, f.value() * get(static_cast<const T*>(up) + i, lanes));
  });
}

template <class T, class F>
void glu_backward(void* dgate, void* dup, const void* dh, const void* gate, const void* up, int64_t n) {
  each(n, [&](int64_t i, auto lanes) {
    const F f(get(static_cast<const T*>(gate) + i, lanes));
    const Vec d = get(static_cast<const T*>(dh) + i, lanes), u = get(static_cast<const T*>(up) + i, lanes);
    put(static_cast<T*>(dgate) + i, lanes, f.slope(d * u));
    put(static_cast<T*>(dup) + i, lanes, f.value(d));
  });
}

template <class T>
void round_int8(void* y, const void* x, int64_t n) {
  Vec most = set(0);
  each(n, [&](int64_t i, auto lanes) { most = max(most, abs(get(static_cast<const T*>(x) + i, lanes))); });
  float lane[16];
  put(lane, Full{}, most);
  float largest_value = 0;
  for (const float value : lane) largest_value = value > largest_value ? value : largest_value;
  const float scale = largest_value / 127.0f;
  const Vec step = set(scale), limit = set(127.0f);
  each(n, [&](int64_t i, auto lanes) {
    const Vec v = get(static_cast<const T*>(x) + i, lanes);
    put(static_cast<T*>(y) + i, lanes, scale > 0 ? round_even(min(limit, max(set(-127.0f), v / step))) * step : set(0));
  });
}

template <class L, class D>
float cross_entropy(void* dlogits_, const void* logits_, int64_t n, int64_t target, float factor) {
  const L* logits = static_cast<const L*>(logits_);
  D* dlogits = static_cast<D*>(dlogits_);
  Vec highest = load_first(logits, 1, -INFINITY);
  int64_t i = 0;
  for (; i + 16 <= n; i += 16) highest = max(highest, load(logits + i));
  if (i < n) highest = max(highest, load_first(logits + i, n - i, -INFINITY));
  const float top = max_lane(highest);
  Vec total = set(0);
  for (i = 0; i + 16 <= n; i += 16) total = total + exp(load(logits + i) - set(top));
  if (i < n) total = total + exp(load_first(logits + i, n - i, -INFINITY) - set(top));
  const float all = sum(total);
  const float at_target = sum(load_first(logits + target, 1));
  if (dlogits != nullptr) {
    const Vec per_unit = set(factor / all);
    const float probability = sum(exp(load_first(&at_target, 1, -INFINITY) - set(top))) / all;
    each(n, [&](int64_t j, auto lanes) { put(dlogits + j, lanes, exp(get(logits + j, lanes) - set(top)) * per_unit); });
    store_first(dlogits + target, 1, set((probability - 1.0f) * factor));
  }
  return logf(all) - (at_target - top);
}

double sum_squares(const float* x, int64_t n) {
  double total = 0;
  for (int64_t begin = 0; begin < n; begin += 4096) {  // fp32 lanes of at most 256 squares, then fp64
    Vec squares = set(0);
    each(n - begin < 4096 ? n - begin : 4096, [&](int64_t i, auto lanes) {
      const Vec v = get(x + begin + i, lanes);
      squares = fma(v, v, squares);
    });
    total += static_cast<double>(sum(squares));
  }
  return total;
}

void adamw(float* w, float* g, float* m, float* v, int64_t n, const AdamWStep& step) {
  const Vec beta1 = set(step.beta1), beta2 = set(step.beta2), rest1 = set(1 - step.beta1), rest2 = set(1 - step.beta2);
  each(n, [&](int64_t i, auto lanes) {
    const Vec gradient = get(g + i, lanes) * set(step.gradient_scale);
    const Vec m1 = fma(beta1, get(m + i, lanes), rest1 * gradient);
    const Vec v1 = fma(beta2, get(v + i, lanes), rest2 * gradient * gradient);
    const Vec direction = m1 * set(step.correction1) / (sqrt(v1 * set(step.correction2)) + set(step.eps));
    const Vec weight = get(w + i, lanes);
    put(m + i, lanes, m1);
    put(v + i, lanes, v1);
    put(w + i, lanes, weight - set(step.lr) * fma(set(step.weight_decay), weight, direction));
    put(g + i, lanes, set(0));
  });
}

void sums(const float* x, int64_t n, double& absolute, double& plain) {
  Vec a = set(0), p = set(0);
  each(n, [&](int64_t i, auto lanes) {
    const Vec v = get(x + i, lanes);
    a = a + abs(v);
    p = p + v;
  });
  absolute = static_cast<double>(sum(a));
  plain = static_cast<double>(sum(p));
}

/// Stores the codes of 16 or fewer elements and counts; missing lanes count nothing.
template <class T, class Lanes>
inline void put_codes(T* codes, Lanes lanes, Vec fresh, CodeCounts& counts) {
  counts.flips += count_different(fresh, get(codes, lanes));
  put(codes, lanes, fresh);
}

/// |w / scale| > 1/2 exactly where |w| > scale / 2: halving is exact, and a scale that fp16 holds has at most 11 bits, so the
/// quotient of a w above scale / 2 lies more than half a unit above 1/2 and cannot round down to it. 1/2 itself goes to 0 (half to
/// even).
template <class T>
CodeCounts ternary_codes(void* codes_, const float* w, int64_t n, float scale) {
  T* codes = static_cast<T*>(codes_);
  CodeCounts counts = {0, 0};
  const Vec half = set(0.5f * scale), minus_half = set(-0.5f * scale), zero = set(0), one = set(1), minus_one = set(-1);
  int64_t nonzero = 0;
  each(n, [&](int64_t i, auto lanes) {
    const Vec v = get(w + i, lanes);
    const Vec fresh = select_greater(v, half, one, select_greater(minus_half, v, minus_one, zero));
    nonzero += count_different(fresh, zero);
    put_codes(codes + i, lanes, fresh, counts);
  });
  counts.zeros = n - nonzero;
  return counts;
}

template <class T>
CodeCounts binary_codes(void* codes_, const float* w, int64_t n, float mean) {
  T* codes = static_cast<T*>(codes_);
  CodeCounts counts = {0, 0};
  const Vec middle = set(mean), one = set(1), minus_one = set(-1);
  int64_t i = 0;
  for (; i + 16 <= n; i += 16) put_codes(codes + i, Full{}, select_greater(middle, load(w + i), minus_one, one), counts);
  if (i < n) {
    const Vec old = load_first(codes + i, n - i), fresh = select_greater(middle, load_first(w + i, n - i), minus_one, one);
    store_first(codes + i, n - i, fresh);
    counts.flips += count_different(load_first(codes + i, n - i), old);
  }
  return counts;
}

}  // namespace
}  // namespace spectra::ops::cpu
