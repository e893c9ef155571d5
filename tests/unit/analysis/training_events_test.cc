// SPDX-License-Identifier: Apache-2.0
#include "analysis/training_events.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "base/rng.h"

namespace spectra::analysis {
namespace {

/// 1000 lines of 1000 tokens: the loss falls by `slope` a line, by 0.2 more after half, with errors of 0.01.
TrainingRun planted(double slope) {
  TrainingRun run;
  for (int i = 1; i <= 1000; ++i) {
    LogPoint point;
    point.step = i;
    point.tokens = 1000.0 * i;
    point.loss = 4 - slope * i - (i >= 500 ? 0.2 : 0) + 0.01 * Rng(2).normal_at(static_cast<uint64_t>(i));
    run.log.push_back(point);
  }
  run.lr_drop_at = 500e3;
  run.decay_off_at = 667e3;
  return run;
}

TEST(TrainingEvents, EffectsOfInterventions) {
  const std::vector<EventEffect> effects = event_effects(planted(0.001), 0.05);
  ASSERT_EQ(effects.size(), 2u);
  EXPECT_EQ(effects[0].event, "lr_drop");
  // Windows of 50 lines: their middles are 50 lines apart, 0.05 by the slope alone.
  EXPECT_NEAR(effects[0].loss_after - effects[0].loss_before, -0.25, 0.006);
  EXPECT_NEAR(effects[1].loss_after - effects[1].loss_before, -0.05, 0.006);
  for (const EventEffect& effect : effects) {  // ten lines are a per cent of the run
    EXPECT_NEAR(effect.slope_before, -0.01, 0.003);
    EXPECT_NEAR(effect.slope_after, -0.01, 0.003);
  }
  // Of the trend the jumps hold nothing. A line of 50 ends with an error of 2 sigma / sqrt(50); there are two of them.
  EXPECT_NEAR(effects[0].jump, -0.2, 0.012);
  EXPECT_NEAR(effects[1].jump, 0, 0.012);
  for (const EventEffect& effect : effects) EXPECT_NEAR(effect.jump_error, 2 * 0.01 / std::sqrt(25), 0.001);
  TrainingRun without = planted(0.001);
  without.decay_off_at = LogPoint::kAbsent;
  EXPECT_EQ(event_effects(without, 0.05).size(), 1u);
  without.lr_drop_at = 1000;  // the first line: nothing before it
  EXPECT_TRUE(event_effects(without, 0.05).empty());
}

TEST(TrainingEvents, SpikesStandOut) {
  TrainingRun run = planted(0.001);
  EXPECT_TRUE(loss_spikes(run).empty());
  run.log[300].loss += 0.5, run.log[301].loss += 0.9, run.log[302].loss += 0.3;
  run.log[700].loss += 0.2;
  run.log[800].loss = LogPoint::kAbsent;
  const std::vector<Spike> spikes = loss_spikes(run);
  ASSERT_EQ(spikes.size(), 2u);
  EXPECT_EQ(spikes[0].tokens, 302e3);
  EXPECT_NEAR(spikes[0].loss - spikes[0].above, 0.9, 0.06);
  EXPECT_EQ(spikes[1].tokens, 701e3);
}

TEST(TrainingEvents, JumpErrorsAreThoseOfManyRuns) {
  int within = 0;
  constexpr int kRuns = 400;
  for (int i = 0; i < kRuns; ++i) {
    TrainingRun run = planted(0.001);
    for (size_t line = 0; line < run.log.size(); ++line)
      run.log[line].loss += 0.05 * Rng(100 + static_cast<uint64_t>(i)).normal_at(line);
    const EventEffect effect = event_effects(run, 0.05).front();
    within += std::abs(effect.jump + 0.2) < 1.96 * effect.jump_error;
  }
  EXPECT_GT(within, 0.92 * kRuns);
  EXPECT_LT(within, 0.98 * kRuns);
}

/// 1000 lines that fall from 9 towards 2, at first by 0.06 a line, with errors of 0.03.
TrainingRun steep() {
  TrainingRun run = planted(0);
  for (size_t i = 0; i < run.log.size(); ++i)
    run.log[i].loss = 2 + 7 * std::exp(-static_cast<double>(i) / 120) + 0.03 * Rng(3).normal_at(i);
  return run;
}

TEST(TrainingEvents, SpikesStandOutOfASteepFall) {
  TrainingRun run = steep();
  EXPECT_TRUE(loss_spikes(run).empty());
  for (const size_t line : {30u, 60u, 100u, 150u, 300u}) run.log[line].loss += 0.6;
  const std::vector<Spike> spikes = loss_spikes(run);
  ASSERT_EQ(spikes.size(), 5u);
  EXPECT_EQ(spikes[0].tokens, 31e3);
  EXPECT_EQ(spikes[4].tokens, 301e3);
  EXPECT_NEAR(spikes[3].loss - spikes[3].above, 0.6, 0.12);
}

TEST(TrainingEvents, TheEndOfAFallIsNoSpike) {
  TrainingRun run = planted(0);
  for (size_t i = 0; i < run.log.size(); ++i)
    run.log[i].loss = std::max(3.0, 9 - 0.1 * static_cast<double>(i)) + 0.01 * Rng(4).normal_at(i);
  EXPECT_TRUE(loss_spikes(run).empty());
}

TEST(TrainingEvents, AHigherLevelIsOneSpikeAndThenTheLevel) {
  TrainingRun run = steep();
  for (size_t i = 333; i < run.log.size(); ++i) run.log[i].loss += 0.6;
  run.log[700].loss += 0.6;
  const std::vector<Spike> spikes = loss_spikes(run);
  ASSERT_EQ(spikes.size(), 2u);
  EXPECT_NEAR(spikes[0].tokens, 334e3, 50e3);
  EXPECT_NEAR(spikes[0].above, run.log[332].loss, 0.1);
  EXPECT_EQ(spikes[1].tokens, 701e3);
}

TEST(TrainingEvents, RelativeLoss) {
  const TrainingRun a = planted(0.001), b = planted(0.002);
  const std::vector<LossRatio> ratios = relative_loss(b, a, 10);
  ASSERT_EQ(ratios.size(), 10u);
  EXPECT_NEAR(ratios[0].tokens, 50e3, 1);
  EXPECT_NEAR(ratios[0].ratio, (4 - 0.101) / (4 - 0.0505), 1e-3);
  EXPECT_NEAR(ratios[9].ratio, (3.8 - 1.901) / (3.8 - 0.9505), 1e-3);
  for (const LossRatio& same : relative_loss(a, a, 7)) EXPECT_EQ(same.ratio, 1);
  EXPECT_TRUE(relative_loss(a, TrainingRun(), 7).empty());
  EXPECT_NEAR(final_loss(a, 0.01), 4 - 0.9955 - 0.2, 0.01);
}

}  // namespace
}  // namespace spectra::analysis
