// SPDX-License-Identifier: Apache-2.0
#include "train/plan.h"

#include <gtest/gtest.h>

#include "train/recipe.h"
#include "train/retention.h"
#include "train/transformer.h"

namespace spectra::train {
namespace {

Recipe plan_recipe(const std::vector<std::string>& settings = {}) {
  std::vector<std::string> all = {"model.family=ternary",       "model.size=99M",      "data.path=d", "train.tokens=100_000_000",
                                  "train.batch_tokens=1048576", "train.precision=bf16"};
  all.insert(all.end(), settings.begin(), settings.end());
  return parse_recipe("", "test", all);
}

TEST(Plan, MemoryIsWhatATransformerTakes) {
  for (const char* mode : {"none", "selective", "full"}) {
    const Plan plan = make_plan(plan_recipe({std::string("train.recompute=") + mode}), 50'277, 0);
    EXPECT_EQ(plan.memory_bytes() - plan.scratch_bytes,
              Transformer::memory_needed(plan.config, 2, 2048, 2, recompute_from_name(mode)))
        << mode;
    const auto parameters = static_cast<uint64_t>(plan.parameters.total());
    EXPECT_EQ(plan.master_bytes, 4 * parameters);
    EXPECT_EQ(plan.gradient_bytes, 4 * parameters);
    EXPECT_EQ(plan.moment_bytes, 8 * parameters);
    // bf16 copies of the linear layers and the head, and some scales.
    const double gemm = 2.0 * (48'234'496 + 50'304 * 512);
    EXPECT_NEAR(static_cast<double>(plan.gemm_weight_bytes), gemm, 0.01 * gemm);
  }
}

TEST(Plan, EveryWayToRecomputeStandsBesideTheOthers) {
  const Plan plan = make_plan(plan_recipe({"train.recompute=selective"}), 50'277, 0);
  ASSERT_EQ(plan.activation_choices.size(), 3u);
  EXPECT_EQ(plan.activation_choices[0].first, "none");
  EXPECT_EQ(plan.activation_choices[1].second, plan.activation_bytes);
  EXPECT_GT(plan.activation_choices[0].second, plan.activation_choices[1].second);
  EXPECT_GT(plan.activation_choices[1].second, plan.activation_choices[2].second);
  const std::string text = describe(plan, plan_recipe({"train.recompute=selective"}));
  EXPECT_NE(text.find("(train.recompute selective; none "), std::string::npos) << text;
}

TEST(Plan, CountsStepsCheckpointsAndTime) {
  const Plan plan = make_plan(plan_recipe({"checkpoint.every=20", "checkpoint.keep=1", "checkpoint.pack=false"}), 50'277, 0);
  EXPECT_EQ(plan.steps, 96);  // 95.4
  EXPECT_EQ(plan.tokens, 96 * 1'048'576);
  EXPECT_EQ(plan.warmup_steps, 1);
  EXPECT_EQ(plan.checkpoints, 5);                                             // 20, 40, 60, 80, 96
  EXPECT_EQ(plan.disk_bytes, 5 * plan.model_bytes + 2 * plan.trainer_bytes);  // one more while it is written
  EXPECT_EQ(make_plan(plan_recipe({"checkpoint.every=20"}), 50'277, 0, 60).checkpoints, 2);
  const Plan packed = make_plan(plan_recipe({"checkpoint.every=20", "checkpoint.keep=1"}), 50'277, 0);
  EXPECT_EQ(plan.disk_bytes - packed.disk_bytes, 3 * (plan.model_bytes - packed_model_bytes(plan.config)));
  const std::string text = describe(plan, plan_recipe(), 96 * 1048.576);
  EXPECT_NE(text.find("16m 40s at"), std::string::npos) << text;
  EXPECT_NE(describe(plan, plan_recipe()).find("--tokens-per-second"), std::string::npos);
}

}  // namespace
}  // namespace spectra::train
