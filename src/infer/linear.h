// SPDX-License-Identifier: Apache-2.0
#pragma once
// y = x Wᵀ for a handful of token rows, in the activation type asked for. Every element of y is one dot product with a fixed order
// of additions, so it does not depend on the other rows, on threads, or on the instruction set.
#include <cstdint>
#include <string>
#include <vector>

#include "infer/weights.h"
#include "kernels/kernels.h"

namespace spectra::infer {

/// What linear layers multiply: fp32 as computed; bf16 rounded; int8 with a scale per token row, absmax/127 (packed weights only).
enum class Activations : uint8_t { kFp32, kBf16, kInt8 };
const char* activations_name(Activations activations);  ///< "fp32", "bf16", "int8"
/// Throws Error (exit 2) listing the three.
Activations activations_from_name(const std::string& name);

/// Multiply-adds from which work is shared between threads: below, waking them costs more (about ten microseconds) than it saves.
constexpr int64_t kParallelWork = int64_t{1} << 18;

/// Token rows in the form that linear layers read. `bf16_rows` or `int8_rows` are filled only in their mode.
struct Rows {
  Activations mode = Activations::kFp32;
  int64_t count = 0, cols = 0;
  const float* fp32 = nullptr;     ///< (count, cols), not owned
  std::vector<bf16> bf16_rows;     ///< (count, cols)
  std::vector<int8_t> int8_rows;   ///< (count, cols)
  std::vector<float> int8_scales;  ///< (count)

  /// Points at x (count, cols) and rounds it as `mode` wants.
  void set(Activations mode_, const float* x, int64_t count_, int64_t cols_, const kernels::Kernels& kernels);
};

/// y (x.count, w.rows) = x wᵀ. A weight row is unpacked once for all token rows.
void linear(float* y, const Linear& w, const Rows& x, const kernels::Kernels& kernels);

}  // namespace spectra::infer
