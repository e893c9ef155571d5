// SPDX-License-Identifier: Apache-2.0
#pragma once
// The sums that Moments points to, over all chunks of calibration tokens; fp32, in the fixed order of the chunks.
#include <vector>

#include "ops/backend.h"
#include "quantize/factor.h"

namespace spectra::quantize {

class MomentSums {
 public:
  /// `mixed`: also Σ x̃ xᵀ.
  MomentSums(ops::Backend& backend, int64_t size, bool mixed);
  /// x (N, C); `full`: x̃ (N, C), or empty.
  void add(const ops::Tensor& x, const ops::Tensor& full);
  /// To be called once, after the last add().
  Moments moments();
  /// Floating-point operations of add() for each token.
  static double flops(int64_t size, bool mixed);
  static uint64_t bytes(int64_t size, bool mixed);

 private:
  /// H is symmetric: its columns are cut into panels, and only products of a panel with itself and later ones are summed.
  struct Panel {
    int64_t begin, width;
    ops::Buffer columns;            ///< (N, width) of the x at hand
    std::vector<ops::Buffer> sums;  ///< (width, width of the later panel)
  };
  ops::Tensor columns(Panel& panel, const ops::Tensor& x);

  ops::Backend& backend_;
  const int64_t size_;
  std::vector<Panel> panels_;
  ops::Buffer inputs_, mixed_;  // (C, C)
};

}  // namespace spectra::quantize
