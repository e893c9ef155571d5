// SPDX-License-Identifier: Apache-2.0
#pragma once
// What follows the backward pass in a step: gradient norm, clipping, AdamW, and the low-bit weights made anew.
#include <cstdint>
#include <optional>

#include "ops/backend.h"
#include "train/recipe.h"
#include "train/schedule.h"
#include "train/transformer.h"

namespace spectra::train {

struct UpdateResult {
  double loss_sum = 0;   ///< nats, over the tokens of the step
  double grad_norm = 0;  ///< before clipping
  double lr = 0, weight_decay = 0;
  std::optional<double> zero_fraction;  ///< ternary
  std::optional<double> flip_fraction;  ///< ternary and binary
};

class Optimizer {
 public:
  Optimizer(ops::Backend& backend, Transformer& model, const Recipe& recipe);
  /// Before the first micro-batch of a step.
  void begin();
  /// After the last one: updates every parameter (paper: AdamW, decay on matrices only) with the schedule at `position` tokens.
  /// `step`: 1 for the first. Throws Error (exit 1) with advice when loss or gradient is not finite; the weights are untouched
  /// then.
  UpdateResult update(int64_t step, double position);

 private:
  void count_codes(UpdateResult& result) const;
  ops::Backend& backend_;
  Transformer& model_;
  const Recipe& recipe_;
  Schedule schedule_;
  ops::Buffer norm_buffer_;
  ops::Tensor norm_squared_;  ///< (1, 1) fp64
};

}  // namespace spectra::train
