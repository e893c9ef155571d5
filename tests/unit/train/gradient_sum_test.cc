// SPDX-License-Identifier: Apache-2.0
// What of the work of several ranks one process can show; tests/integration/test_ranks.py has the rest.
#include "train/gradient_sum.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "train/step.h"
#include "unit/train/tiny_models.h"

namespace spectra::train {
namespace {

TEST(TreeSum, AddsNeighboursFirst) {
  EXPECT_EQ(tree_sum({}), 0);
  EXPECT_EQ(tree_sum({3}), 3);
  // In order, 1 would be lost beside 2^53 twice; as neighbours the ones survive.
  const double large = 0x1p53;
  EXPECT_EQ(tree_sum({large, -large, 1, 1}), 2);
  EXPECT_EQ(tree_sum({1, 1, large, -large}), 2);
  EXPECT_EQ(tree_sum({1, large, 1, -large}), (1 + large) + (1 - large));
  EXPECT_EQ(tree_sum({1, 2, 3, 4, 5}), 15);
}

/// Gradients of 2^n groups on one rank are those of a tree over the groups' own gradients.
TEST(GradientSum, GroupsOfOneRankFormTheTree) {
  const auto backend = ops::make_backend("cpu", "fp32");
  const auto ranks = ranks::single_rank();
  const model::Config config = test::tiny_config(model::Family::kTernary, 2);
  constexpr int64_t kBatch = 2, kTime = 8, kGroups = 4;
  std::vector<std::vector<std::vector<float>>> alone;  // [group][block]
  Transformer model(*backend, config, kBatch, kTime);
  model.initialize(1);
  model.quantize();
  const auto batch = [&](int group, int which) {
    return test::tokens(static_cast<uint64_t>(10 * which + group), kBatch * kTime, config.vocab);
  };
  const auto values = [&](size_t block) {
    const ops::Tensor& gradient = model.blocks()[block].gradient;
    return std::vector<float>(gradient.as<float>(), gradient.as<float>() + gradient.size());
  };
  for (int group = 0; group < kGroups; ++group) {
    for (const Block& block : model.blocks()) backend->zero(block.gradient);
    model.forward_backward(batch(group, 1), batch(group, 2), 0.1f);
    alone.emplace_back();
    for (size_t b = 0; b < model.blocks().size(); ++b) alone.back().push_back(values(b));
  }
  for (const Block& block : model.blocks()) backend->zero(block.gradient);

  GradientSum sum(*backend, *ranks, model, kGroups);
  std::vector<size_t> order;
  for (int group = 0; group < kGroups; ++group) {
    const bool last = group + 1 == kGroups;
    model.forward_backward(batch(group, 1), batch(group, 2), 0.1f, {}, [&](size_t block) {
      if (!last) return;
      order.push_back(block);
      sum.block_ready(block);
    });
    if (!last) sum.end_group();
  }
  sum.finish();
  ASSERT_EQ(order.size(), model.blocks().size());
  EXPECT_EQ(order.front(), model.blocks().size() - 1);
  EXPECT_EQ(order.back(), 0u);
  for (size_t b = 0; b < model.blocks().size(); ++b) {
    const std::vector<float> found = values(b);
    for (size_t i = 0; i < found.size(); ++i)
      ASSERT_EQ(found[i], (alone[0][b][i] + alone[1][b][i]) + (alone[2][b][i] + alone[3][b][i])) << "block " << b << " at " << i;
  }
}

TEST(Blocks, OwnersShareTheParameters) {
  const auto backend = ops::make_backend("cpu", "fp32");
  const model::Config config = test::tiny_config(model::Family::kTernary, 2);
  uint64_t moments = 0;
  std::vector<int> owned_by(model::parameters(config).size(), -1);
  for (int rank = 0; rank < 3; ++rank) {
    Transformer model(*backend, config, 1, 8, Recompute::kNone, {rank, 3});
    for (size_t p = 0; p < model.parameters().size(); ++p) {
      const TrainedParameter& parameter = model.parameters()[p];
      EXPECT_EQ(parameter.owned, model.blocks()[parameter.block].owner == rank);
      EXPECT_EQ(parameter.moment1.data != nullptr, parameter.owned);
      if (!parameter.owned) continue;
      EXPECT_EQ(owned_by[p], -1) << parameter.info.name << " has two owners";
      owned_by[p] = rank;
    }
    moments += parameter_bytes(config, {rank, 3}).moments;
  }
  EXPECT_EQ(std::count(owned_by.begin(), owned_by.end(), -1), 0);
  EXPECT_EQ(moments, parameter_bytes(config, {}).moments);
}

}  // namespace
}  // namespace spectra::train
