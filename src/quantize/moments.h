// SPDX-License-Identifier: Apache-2.0
#pragma once
// The sums that Moments points to, over all chunks of calibration tokens; fp32, in the fixed order of the chunks.
#include "ops/backend.h"
#include "quantize/factor.h"

namespace spectra::quantize {

class MomentSums {
 public:
  /// `mixed`: also Σ x̃ xᵀ.
  MomentSums(ops::Backend& backend, int64_t size, bool mixed);
  /// x (N, C); `full`: x̃ (N, C), or empty.
  void add(const ops::Tensor& x, const ops::Tensor& full);
  /// To be called after the last add().
  Moments moments() const;
  static double flops(int64_t size, bool mixed) {  ///< for each token
    return (mixed ? 4.0 : 2.0) * static_cast<double>(size) * static_cast<double>(size);
  }

 private:
  ops::Backend& backend_;
  const int64_t size_;
  ops::Buffer inputs_, mixed_;
};

}  // namespace spectra::quantize
