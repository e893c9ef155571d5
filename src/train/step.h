// SPDX-License-Identifier: Apache-2.0
#pragma once
// What follows the backward pass in a step: all ranks learn loss and gradient norm, then either nothing changes or every block's
// owner clips, runs AdamW and makes the low-bit weights anew, and hands them to the others.
#include <cstdint>
#include <optional>
#include <span>

#include "ops/backend.h"
#include "ranks/transfers.h"
#include "train/recipe.h"
#include "train/schedule.h"
#include "train/transformer.h"

namespace spectra::train {

/// The same numbers on every rank, whatever their number.
struct StepNumbers {
  double loss = 0;           ///< nats a scored token
  double grad_norm = 0;      ///< before clipping, of the gradient of that loss
  bool interrupted = false;  ///< a signal reached some rank
};

struct UpdateResult {
  double lr = 0, weight_decay = 0;
  std::optional<double> zero_fraction;  ///< ternary
  std::optional<double> flip_fraction;  ///< ternary and binary
};

class Optimizer {
 public:
  Optimizer(ops::Backend& backend, ranks::Ranks& ranks, Transformer& model, const Recipe& recipe);
  /// `group_losses`: nats of each of this rank's groups, over `scored` of its tokens. Owned blocks hold the gradient of loss_scale
  /// * (nats of the whole step) / train.batch_tokens. Waits for all ranks: what they decide from the numbers, they decide alike.
  StepNumbers measure(std::span<const double> group_losses, int64_t scored, double loss_scale);
  /// After measure(): updates every parameter (AdamW, decay on matrices only) with the schedule at `position` tokens. `number`: 1
  /// for the first update.
  UpdateResult update(int64_t number, double position);
  /// Instead of update(): the gradients are dropped.
  void discard();

 private:
  void count_codes(UpdateResult& result) const;
  ops::Backend& backend_;
  ranks::Ranks& ranks_;
  ranks::Transfers transfers_;
  Transformer& model_;
  const Recipe& recipe_;
  Schedule schedule_;
  ops::Buffer norm_buffer_;
  ops::Tensor squares_;      ///< (1, parameters) fp64: of each gradient
  double norm_squared_ = 0;  ///< of the gradient as the blocks hold it
  double divisor_ = 1;       ///< what the blocks hold is the gradient of the mean loss times this
};

/// The owners' GEMM weights, embedding and norms reach every rank.
void share_weights(ops::Backend& backend, ranks::Ranks& ranks, const Transformer& model);
/// Sum in the order of a binary tree of neighbours, as GradientSum adds gradients.
double tree_sum(std::vector<double> values);

}  // namespace spectra::train
