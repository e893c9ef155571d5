// SPDX-License-Identifier: Apache-2.0
#include "train/faults.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "test_data.h"

namespace spectra::train {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN(), kInf = std::numeric_limits<double>::infinity();

Recipe recipe(const std::vector<std::string>& settings = {}) {
  std::vector<std::string> all = {"model.family=float",  "model.hidden=16",      "model.glu=24",      "model.heads=2",
                                  "model.layers=1",      "data.path=x",          "train.tokens=6400", "train.batch_tokens=64",
                                  "train.sequence=16",   "train.precision=fp32", "faults.window=4",   "faults.loss_z=3",
                                  "faults.grad_norm_z=5"};
  all.insert(all.end(), settings.begin(), settings.end());
  return parse_recipe("", "test", all);
}

TEST(Faults, WhatIsNotFiniteIsSkipped) {
  const Recipe r = recipe();
  const Faults faults(r, {});
  EXPECT_EQ(faults.judge(3, 1), "");
  EXPECT_EQ(faults.judge(kNan, 1), "nan");
  EXPECT_EQ(faults.judge(kInf, 1), "nan");
  EXPECT_EQ(faults.judge(3, kInf), "nan");
  EXPECT_EQ(faults.judge(3, kNan), "nan");
}

TEST(Faults, ASpikeIsJudgedByTheLastBatchesThatCounted) {
  const Recipe r = recipe();
  Faults faults(r, {});
  for (const double loss : {3.0, 3.2, 3.0}) {
    EXPECT_EQ(faults.judge(100, 1), "") << "the window is not full";
    faults.accept(loss, 1 + loss / 100);
  }
  faults.accept(3.2, 1.032);
  // Mean 3.1, deviation 0.1: three deviations end at 3.4; the norm's: mean 1.031, deviation 0.001.
  EXPECT_EQ(faults.judge(3.39, 1.03), "");
  EXPECT_EQ(faults.judge(3.41, 1.03), "loss spike");
  EXPECT_EQ(faults.judge(0.5, 1.03), "") << "a fall is no spike";
  EXPECT_EQ(faults.judge(3.1, 1.035), "");
  EXPECT_EQ(faults.judge(3.1, 1.0365), "gradient spike");
  faults.skip(16, 4, "loss spike");
  EXPECT_EQ(faults.judge(3.41, 1.03), "loss spike") << "a skipped batch is no part of the window";
  const Recipe off = recipe({"faults.loss_z=0", "faults.grad_norm_z=0"});
  EXPECT_EQ(Faults(off, faults.state()).judge(100, 100), "");
}

TEST(Faults, SkippedRangesAreKnownAgain) {
  const Recipe r = recipe();
  Faults faults(r, {});
  faults.skip(8, 4, "nan");
  EXPECT_EQ(faults.recorded(8, 4), "nan");
  EXPECT_EQ(faults.recorded(11, 1), "nan");
  EXPECT_EQ(faults.recorded(12, 4), "");
  EXPECT_EQ(faults.recorded(4, 4), "");
  faults.skip(8, 4, "nan");  // again after a resume
  EXPECT_EQ(faults.state().skipped.size(), 1u);
  EXPECT_EQ(faults.state().skipped_batches, 2);
  EXPECT_EQ(faults.state().skipped_tokens, 2 * 64);
}

TEST(Faults, SeveralInARowCallForARewind) {
  const Recipe r = recipe({"faults.rewind_after=3"});
  Faults faults(r, {});
  faults.accept(3, 1);
  const FaultState then = faults.state();
  faults.skip(4, 4, "nan");
  faults.skip(8, 4, "nan");
  EXPECT_FALSE(faults.rewind_due());
  faults.accept(3, 1);
  for (const int64_t first : {16, 20, 24}) faults.skip(first, 4, "nan");
  EXPECT_TRUE(faults.rewind_due());
  faults.rewound(then, 4, 24);
  EXPECT_FALSE(faults.rewind_due());
  EXPECT_EQ(faults.state().skipped_batches, 6);
  EXPECT_EQ(faults.state().rewinds, 1);
  EXPECT_EQ(faults.state().losses.size(), 1u);
  for (const int64_t first : {4, 12, 24}) EXPECT_EQ(faults.recorded(first, 4), "rewind");
  EXPECT_EQ(faults.recorded(28, 4), "");
  const Recipe never = recipe({"faults.rewind_after=0"});
  Faults patient(never, {});
  for (int i = 0; i < 100; ++i) patient.skip(i, 1, "nan");
  EXPECT_FALSE(patient.rewind_due());
}

TEST(LossScale, HalvesOnOverflowAndDoublesAfterAWindow) {
  const Recipe r = recipe({"train.precision=fp16", "loss_scale.initial=16", "loss_scale.min=4", "loss_scale.window=2",
                           "faults.loss_z=0", "faults.grad_norm_z=0"});
  Faults faults(r, {});
  EXPECT_EQ(faults.loss_scale(), 16);
  EXPECT_EQ(faults.judge(3, kInf), "overflow");
  faults.skip(0, 4, "overflow");
  EXPECT_EQ(faults.loss_scale(), 8);
  EXPECT_EQ(faults.recorded(0, 4), "") << "it comes again by itself";
  faults.accept(3, 1);
  faults.skip(8, 4, "overflow");
  EXPECT_EQ(faults.loss_scale(), 4);
  EXPECT_EQ(faults.judge(3, kInf), "nan") << "the scale cannot fall further";
  EXPECT_EQ(faults.judge(kNan, 1), "nan");
  faults.accept(3, 1);
  faults.accept(3, 1);
  EXPECT_EQ(faults.loss_scale(), 8);
  EXPECT_EQ(faults.state().loss_scale.lowest, 4);
  EXPECT_EQ(faults.state().skipped_batches, 2);
  EXPECT_EQ(Faults(r, faults.state()).loss_scale(), 8) << "a resumed run goes on with its scale";
  EXPECT_EQ(Faults(recipe(), {}).loss_scale(), 1);
}

TEST(FaultState, SurvivesJson) {
  FaultState state;
  state.skipped = {{4, 8, "nan"}, {40, 4, "rewind"}};
  state.skipped_batches = 3, state.skipped_tokens = 192, state.in_a_row = 1, state.rewinds = 2;
  state.loss_scale = {512, 128, 17};
  state.losses = {3.25, 1.0 / 3}, state.grad_norms = {0.1};
  const std::string json = fault_state_to_json(state);
  EXPECT_EQ(fault_state_to_json(fault_state_from_json(json)), json);
  EXPECT_EQ(fault_state_from_json(json).losses, state.losses);
}

TEST(SkippedAfter, ReadsTheLogLinesThatAResumeCutsOff) {
  const test::TemporaryDirectory directory;
  const fs::path log = directory / "log.jsonl";
  EXPECT_TRUE(skipped_after(log, 0, 4).empty());
  write_file(log, R"({"step": 1, "skipped": "nan"}
{"step": 2}
{"step": 3, "skipped": "overflow"}
{"step": 4, "skipped": "loss spike"}
{"step": 5, "skipped": "na)");
  const auto ranges = skipped_after(log, 1, 4);
  ASSERT_EQ(ranges.size(), 1u);
  EXPECT_EQ(ranges[0].first, 12);
  EXPECT_EQ(ranges[0].count, 4);
  EXPECT_EQ(ranges[0].reason, "loss spike");
  write_file(log, R"({"step": 6, "skipped": "nan"}
{"step": 7, "skipped": "nan", "rewound_to": 4}
{"step": 8}
{"step": 9, "skipped": "nan"}
)");
  const auto rewound = skipped_after(log, 4, 4);
  ASSERT_EQ(rewound.size(), 2u);
  EXPECT_EQ(rewound[0].first, 16);
  EXPECT_EQ(rewound[0].count, 12);
  EXPECT_EQ(rewound[0].reason, "rewind");
  EXPECT_EQ(rewound[1].first, 32);
}

}  // namespace
}  // namespace spectra::train
