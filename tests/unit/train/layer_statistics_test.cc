// SPDX-License-Identifier: Apache-2.0
#include "train/layer_statistics.h"

#include <gtest/gtest.h>

#include <cmath>

#include "unit/train/tiny_models.h"

namespace spectra::train {
namespace {

using model::Family;
using model::ShardAxis;

TEST(ThresholdDistance, OfTernaryWeightsByHand) {
  // γ = 2: |W|/γ is 0, 0.5, 0.54, 2, so the distances from 0.5 are 0.5, 0, 0.04, 1.5.
  const ThresholdDistance found =
      threshold_distance({0.0f, -1.0f, 1.08f, -4.0f}, 2, ShardAxis::kRows, {0, 2}, {2.0f}, Family::kTernary);
  EXPECT_DOUBLE_EQ(found.near_fraction, 0.5);
  EXPECT_NEAR(found.mean, (0.5 + 0 + 0.04 + 1.5) / 4, 1e-6);
}

TEST(ThresholdDistance, EachShardHasItsScaleAlongItsAxis) {
  // Rows (1, 2) and (3, 4), every weight at 0.5 γ of its shard only where the axis is respected.
  EXPECT_EQ(threshold_distance({1, 1, 2, 2}, 2, ShardAxis::kRows, {0, 1, 2}, {2, 4}, Family::kTernary).near_fraction, 1);
  EXPECT_EQ(threshold_distance({1, 2, 1, 2}, 2, ShardAxis::kColumns, {0, 1, 2}, {2, 4}, Family::kTernary).near_fraction, 1);
  EXPECT_EQ(threshold_distance({1, 2, 1, 2}, 2, ShardAxis::kRows, {0, 1, 2}, {2, 4}, Family::kTernary).near_fraction, 0.5);
}

TEST(ThresholdDistance, OfBinaryWeightsIsFromTheMeanOfTheShard) {
  // Mean 3, α 2: distances 1, 0, 1.
  const ThresholdDistance found = threshold_distance({1, 3, 5}, 3, ShardAxis::kRows, {0, 1}, {2}, Family::kBinary);
  EXPECT_DOUBLE_EQ(found.mean, 2.0 / 3);
  EXPECT_DOUBLE_EQ(found.near_fraction, 1.0 / 3);
  EXPECT_EQ(threshold_distance({0, 0}, 2, ShardAxis::kRows, {0, 1}, {0}, Family::kBinary).near_fraction, 1);
}

TEST(LayerStatistics, EveryLowBitMatrixOfAModel) {
  for (const Family family : {Family::kFloat, Family::kTernary, Family::kBinary}) {
    auto backend = ops::make_backend("cpu", "reference");
    const model::Config config = test::tiny_config(family, 2);
    Transformer model(*backend, config, 1, 8);
    model.initialize(1);
    model.quantize();
    model.quantize();  // nothing changed in between: no flips
    const std::vector<LayerStatistics> all = layer_statistics(*backend, *ranks::single_rank(), model);
    if (family == Family::kFloat) {
      EXPECT_TRUE(all.empty());
      continue;
    }
    ASSERT_EQ(all.size(), 14u);
    EXPECT_EQ(all[0].name, "layers.0.self_attn.q_proj");
    EXPECT_EQ(all[13].name, "layers.1.mlp.down_proj");
    for (const LayerStatistics& layer : all) {
      ASSERT_EQ(layer.scales.size(), 2u);
      EXPECT_NEAR(layer.scales[0], 0.02 * std::sqrt(2 / M_PI), 0.005) << layer.name;  // mean |W| of N(0, 0.02²)
      EXPECT_EQ(layer.flip_fraction, 0);
      EXPECT_EQ(layer.zero_fraction.has_value(), family == Family::kTernary);
      // Of a normal W, 0.31 have |W| < γ/2 = 0.4 σ.
      if (layer.zero_fraction) {
        EXPECT_NEAR(*layer.zero_fraction, 0.31, 0.08) << layer.name;
      }
      EXPECT_GT(layer.near_fraction, 0);
      EXPECT_LT(layer.near_fraction, 0.15);
      EXPECT_GT(layer.distance, 0.3);
    }
  }
}

TEST(LayerStatistics, AParameterThatNobodyKeepsIsLeftOut) {
  auto backend = ops::make_backend("cpu", "reference");
  const model::Config config = test::tiny_config(Family::kTernary);
  Transformer model(*backend, config, 1, 8);
  model.initialize(1);
  model.quantize();
  for (TrainedParameter& parameter : model.parameters())
    if (parameter.info.name.find("q_proj") != std::string::npos) parameter.weight.data = nullptr;
  EXPECT_EQ(layer_statistics(*backend, *ranks::single_rank(), model).size(), 12u);
}

}  // namespace
}  // namespace spectra::train
