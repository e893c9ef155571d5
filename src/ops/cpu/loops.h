// SPDX-License-Identifier: Apache-2.0
#pragma once
// The inner loops of the CPU backend, compiled once per instruction set: one thread, one row or chunk a call, plain
// pointers. Written once in loops_inl.h and attention_inl.h over 16-float vectors, so that sums have the same 16 lanes and the same
// tree everywhere.
#include <cstddef>
#include <cstdint>

#include "base/half.h"
#include "kernels/isa.h"

namespace spectra::ops::cpu {

/// Index into the tables below: what a `void*` points to.
enum Type { kFloat = 0, kBf16 = 1, kFp16 = 2 };

/// One AdamW step on a slice. `gradient_scale`: clip factor / loss scale; corrections are 1 / (1 - beta^step).
struct AdamWStep {
  float lr, beta1, beta2, eps, weight_decay, gradient_scale, correction1, correction2;
};

/// What ternarizing or binarizing a slice did.
struct CodeCounts {
  int64_t zeros, flips;
};

/// Rows somewhere, `stride` elements apart.
struct Lines {
  void* data;
  int64_t stride;
};

/// Attention of one sequence and one kv head with the `group` query heads that read it. Pointers are to row 0; query head g of the
/// group starts g * head_dim elements (lse: g * queries) further.
struct AttentionTask {
  int64_t queries, keys, head_dim, group;
  bool causal;               // query t sees keys [t + 1 - window, t], else all,
  int64_t window;            // where there is no window: as many as there are keys;
  const int32_t* first_key;  // (queries): and none before this; nullptr = 0
  Lines q, k, v, out;
  float* lse;              // (group, queries)
  Lines dout, dq, dk, dv;  // backward only
  void* scratch;           // attention_scratch() bytes, aligned to 64
};

struct Loops {
  const char* name;

  void (*convert[3][3])(void* y, const void* x, int64_t n);                 ///< [y][x]: y = x
  void (*add[3][3])(void* y, const void* x, int64_t n);                     ///< [y][x]: y += x
  void (*scale[3])(void* y, const void* x, const float* scale, int64_t n);  ///< y = x * scale, elementwise

  /// y = x * rstd * w, returns rstd = 1 / sqrt(mean x² + eps).
  float (*rmsnorm[3])(void* y, const float* x, const float* w, int64_t n, float eps);
  /// dx += gradient, dw += dy * x * rstd.
  void (*rmsnorm_backward[3])(float* dx, float* dw, const void* dy, const float* x, float rstd, const float* w, int64_t n);
  /// Rotates `heads` adjacent heads of 2 * half elements by the angles whose cosines and sines are given (half each).
  void (*rope[3])(void* x, int64_t heads, int64_t half, const float* cosines, const float* sines);
  /// [Gate][type]
  void (*glu[3][3])(void* h, const void* gate, const void* up, int64_t n);
  void (*glu_backward[3][3])(void* dgate, void* dup, const void* dh, const void* gate, const void* up, int64_t n);
  void (*round_int8[3])(void* y, const void* x, int64_t n);  ///< one row; y may be x
  /// [logits][dlogits] of one row; returns -log p[target]. dlogits = (p - onehot) * scale; nullptr = not wanted; may be the logits.
  float (*cross_entropy[3][3])(void* dlogits, const void* logits, int64_t n, int64_t target, float scale);

  double (*sum_squares)(const float* x, int64_t n);
  void (*adamw)(float* w, float* g, float* m, float* v, int64_t n, const AdamWStep& step);  ///< g = 0 afterwards

  void (*sums)(const float* x, int64_t n, double& absolute, double& plain);  ///< sum |x| and sum x
  /// codes = round(clip(w / scale, -1, 1)), half to even.
  CodeCounts (*ternary_codes[3])(void* codes, const float* w, int64_t n, float scale);
  /// codes = w >= mean ? 1 : -1.
  CodeCounts (*binary_codes[3])(void* codes, const float* w, int64_t n, float mean);

  size_t (*attention_scratch[3])(int64_t keys, int64_t head_dim);
  void (*attention[3])(const AttentionTask& task);
  void (*attention_backward[3])(const AttentionTask& task);
};

/// The table of one instruction set (must be in kernels::available_isas()), with bf16 dot products in attention where `bf16_dot`
/// (AVX-512 with BF16 only).
const Loops& loops_for(kernels::Isa isa, bool bf16_dot);
/// loops_for(what this process runs with).
const Loops& loops();

// One a file, see loops_*.cc.
const Loops& loops_scalar();
const Loops& loops_avx2();
const Loops& loops_avx512();
const Loops& loops_avx512bf16();

}  // namespace spectra::ops::cpu
