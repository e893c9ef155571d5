// SPDX-License-Identifier: Apache-2.0
// A step's loss and gradient are means over the tokens that are scored.
#include "train/loss.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <span>
#include <vector>

#include "train/step.h"
#include "unit/train/tiny_models.h"

namespace spectra::train {
namespace {

constexpr int64_t kLossBatch = 2, kLossTime = 8, kLossTokens = kLossBatch * kLossTime;

struct Outcome {
  StepNumbers numbers;
  std::vector<float> weights;
  double nats = 0;
};

/// One step in which every second token is scored. `scale`: of the backward pass; `scored`: what the optimizer is told.
Outcome step(float scale, int64_t scored) {
  const auto backend = ops::make_backend("cpu", "reference");
  const auto ranks = ranks::single_rank();
  const Recipe recipe =
      parse_recipe("", "test",
                   {"data.path=none", "model.family=float", "model.hidden=16", "model.glu=24", "model.heads=4", "model.layers=2",
                    "train.sequence=8", "train.micro_batch=2", "train.batch_tokens=16", "train.tokens=16", "schedule.warmup=0"});
  Transformer model(*backend, test::tiny_config(model::Family::kFloat), kLossBatch, kLossTime);
  model.initialize(1);
  model.quantize();
  std::vector<int32_t> targets = test::tokens(2, kLossTokens, model.config().vocab);
  for (size_t i = 0; i < targets.size(); i += 2) targets[i] = -1;
  model.reset_loss();
  model.forward_backward(test::tokens(1, kLossTokens, model.config().vocab), targets, scale);
  EXPECT_EQ(model.scored(), kLossTokens / 2);
  Outcome outcome;
  outcome.nats = model.loss();
  Optimizer optimizer(*backend, *ranks, model, recipe);
  outcome.numbers = optimizer.measure(std::span(&outcome.nats, 1), scored, 1);
  optimizer.update(1, 1);
  for (const TrainedParameter& parameter : model.parameters()) {
    const std::vector<float> values = backend->read<float>(parameter.weight);
    outcome.weights.insert(outcome.weights.end(), values.begin(), values.end());
  }
  return outcome;
}

TEST(ScoredTokens, DivideLossAndGradient) {
  const Outcome found = step(1.0f / kLossTokens, kLossTokens / 2);
  // The same gradient, divided where it arises; a factor of two changes no bit but the exponents'.
  const Outcome wanted = step(2.0f / kLossTokens, kLossTokens);
  EXPECT_EQ(found.numbers.loss, found.nats / (kLossTokens / 2));
  EXPECT_NEAR(found.numbers.loss, std::log(32.0), 0.1) << "of an untrained model";
  EXPECT_EQ(found.numbers.grad_norm, wanted.numbers.grad_norm);
  EXPECT_EQ(found.weights, wanted.weights);
}

}  // namespace
}  // namespace spectra::train
