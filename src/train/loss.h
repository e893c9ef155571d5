// SPDX-License-Identifier: Apache-2.0
#pragma once
// From the final hidden states to a loss and their gradient: the head and the softmax cross-entropy of each token's target, in
// chunks of rows. Logits never exist for the whole batch. Sums go over tokens; who knows how many were scored in the whole step
// divides by that (Optimizer::measure).
#include <cstdint>

#include "model/config.h"
#include "ops/backend.h"
#include "train/memory.h"
#include "train/weights.h"

namespace spectra::train {

/// C: rows of the head and of the loss at a time.
constexpr int64_t kHeadRows = 512;

class Loss {
 public:
  /// For `tokens` rows of hidden states.
  Loss(const model::Config& config, int64_t tokens, Precision precision, Memory& memory);

  /// What both directions read: the head, hidden (N, D) activation, and targets (1, N) i32 (-1: not scored).
  struct Inputs {
    const Linear& head;
    ops::Tensor hidden, targets;
  };
  /// Adds to sum(), fills log_probabilities().
  void evaluate(ops::Backend& backend, const Inputs& in);
  /// The same, and writes dhidden (N, D) activation and adds to the head's gradient that of scale * sum of losses.
  void backward(ops::Backend& backend, const Inputs& in, const ops::Tensor& dhidden, float scale);

  const ops::Tensor& sum() const { return sum_; }                              ///< (1, 1) f64, nats
  const ops::Tensor& log_probabilities() const { return log_probabilities_; }  ///< (1, N) M, of the targets of the last call

 private:
  /// per_chunk(first row, rows, dlogits) runs after each chunk's loss, while its logits exist.
  template <class PerChunk>
  void each_chunk(ops::Backend& backend, const Inputs& in, bool gradient, float scale, PerChunk&& per_chunk);

  ops::Tensor logits_;             // (C, V) M
  ops::Tensor dlogits_;            // (C, V) A
  ops::Tensor log_probabilities_;  // (1, N) M
  ops::Tensor sum_;                // (1, 1) f64
};

}  // namespace spectra::train
