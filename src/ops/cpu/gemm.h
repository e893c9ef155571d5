// SPDX-License-Identifier: Apache-2.0
#pragma once
// Matrix products by oneDNN, one compiled primitive per shape. Operands are dense, row-major or transposed: with a leading
// dimension larger than the row, oneDNN 2.6 silently takes a slow path.
#include <memory>
#include <string>
#include <vector>

#include "base/dtype.h"

namespace spectra::ops::cpu {

/// C (m, n) = or += (A (m, k) · B (k, n)) ∘ column_scale.
struct GemmShape {
  int64_t m, n, k;
  bool a_transposed = false, b_transposed = false;  ///< stored (k, m), (n, k)
  DType in = DType::kF32, out = DType::kF32;        ///< bf16 or fp32; sums are fp32 in any case
  bool accumulate = false;                          ///< += ; out must be fp32
  bool scaled = false;                              ///< multiply column j by column_scale[j], in fp32
};

class Gemm {
 public:
  Gemm();
  ~Gemm();
  void run(const GemmShape& shape, void* c, const void* a, const void* b, const float* column_scale = nullptr);
  /// oneDNN's name of the code that runs this shape, e.g. "brg:avx512_core_bf16".
  std::string implementation(const GemmShape& shape);
  /// Every shape so far, with its implementation.
  struct Compiled {
    GemmShape shape;
    std::string implementation;
  };
  std::vector<Compiled> compiled() const;
  size_t scratch_bytes() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace spectra::ops::cpu
