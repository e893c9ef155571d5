// SPDX-License-Identifier: Apache-2.0
#pragma once
// Inner loops of inference, one table per instruction set. The scalar table is the specification; the others equal it bitwise,
// except those of bf16 activations (dot_bf16*, matvec_bf16*: within 1e-5 of the sum of absolute products), so results do not depend
// on the machine.
//
// How fp32 sums are made, everywhere: element i goes to lane i % 16, each lane adds its products in ascending order with one
// fused multiply-add each, missing elements of the last 16 count as zeros; then lanes are added as a tree: l + (l+8), l + (l+4),
// l + (l+2), l + (l+1). exp is one polynomial (kernels/exp.h) evaluated with fused multiply-adds. Inputs are finite, pointers need
// no alignment, n may be any number (also 0).
#include <cstddef>
#include <cstdint>

#include "base/half.h"
#include "kernels/isa.h"

namespace spectra::kernels {

struct Kernels {
  const char* name;  ///< "scalar", "avx2", "avx512 (vnni, bf16)"

  // --- dot products of n elements -------------------------------------------------------------------------------
  float (*dot_f32)(const float* x, const float* w, size_t n);
  float (*dot_f32_fp16)(const float* x, const fp16* w, size_t n);
  float (*dot_f32_bf16)(const float* x, const bf16* w, size_t n);
  float (*dot_f32_i8)(const float* x, const int8_t* w, size_t n);  ///< codes as exact floats
  int32_t (*dot_i8)(const int8_t* x, const int8_t* w, size_t n);   ///< exact for n <= 2^16
  float (*dot_bf16_i8)(const bf16* x, const int8_t* w, size_t n);  ///< bf16 activations times codes
  float (*dot_bf16)(const bf16* x, const bf16* w, size_t n);

  // --- rows times a vector: y[r] = dot_...(x, w + r * stride, n) for r < rows, the same bits but several rows at once -----------
  // `stride`: elements of w from one row to the next. One row alone waits for each multiply-add to finish before the next.
  void (*matvec_f32)(float* y, const float* x, const float* w, size_t stride, size_t rows, size_t n);
  void (*matvec_f32_fp16)(float* y, const float* x, const fp16* w, size_t stride, size_t rows, size_t n);
  void (*matvec_f32_bf16)(float* y, const float* x, const bf16* w, size_t stride, size_t rows, size_t n);
  void (*matvec_f32_i8)(float* y, const float* x, const int8_t* w, size_t stride, size_t rows, size_t n);
  void (*matvec_i8)(int32_t* y, const int8_t* x, const int8_t* w, size_t stride, size_t rows, size_t n);
  void (*matvec_bf16_i8)(float* y, const bf16* x, const int8_t* w, size_t stride, size_t rows, size_t n);
  void (*matvec_bf16)(float* y, const bf16* x, const bf16* w, size_t stride, size_t rows, size_t n);

  // --- packed rows to codes (lowbit/packed.h) --------------------------------------------------------------------
  void (*unpack_tern2)(const uint8_t* packed, size_t cols, int8_t* codes);
  void (*unpack_tern1_6)(const uint8_t* packed, size_t cols, int8_t* codes);
  void (*unpack_bin1)(const uint8_t* packed, size_t cols, int8_t* codes);

  // --- elementwise and rows ---------------------------------------------------------------------------------------
  void (*axpy)(float* y, float a, const float* x, size_t n);                       ///< y = fma(a, x, y)
  void (*rmsnorm)(float* y, const float* x, const float* w, size_t n, float eps);  ///< y = x * (1/sqrt(mean x² + eps)) * w
  void (*silu_mul)(float* h, const float* gate, const float* up, size_t n);        ///< h = gate / (1 + exp(-gate)) * up
  void (*softmax)(float* x, size_t n);                                             ///< in place, max subtracted
  float (*log_sum_exp)(const float* x, size_t n);                                  ///< n > 0
  void (*to_bf16)(bf16* y, const float* x, size_t n);                              ///< nearest even
  /// q = round half even(x / scale) within ±127, returns scale = absmax / 127 (0, and all q = 0, where that is 0).
  float (*quantize_i8)(int8_t* q, const float* x, size_t n);
};

/// The table of one instruction set; `isa` must be in available_isas(). Instructions beyond the set (VNNI, BF16) are used where the
/// CPU has them, and then are part of the name.
const Kernels& kernels_for(Isa isa);
/// kernels_for(selected_isa()).
const Kernels& kernels();

/// What self_test found out about one kernel.
struct SelfTestResult {
  const char* kernel;  ///< the member's name: "dot_f32"
  bool equal;          ///< bitwise, or within the tolerance for bf16 activations
  double worst;  ///< largest difference in units of the tolerance (bf16 activations); otherwise the number of different results
};
/// Runs every kernel of `isa` against the scalar table on random and edge-case inputs of many lengths, and fills `results` (as far
/// as `capacity` goes), one a kernel. Returns the number of kernels. Used by `doctor` and the tests.
size_t self_test(Isa isa, uint64_t seed, SelfTestResult* results, size_t capacity);

}  // namespace spectra::kernels
