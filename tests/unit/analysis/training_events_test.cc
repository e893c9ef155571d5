// SPDX-License-Identifier: Apache-2.0
#include "analysis/training_events.h"

#include <gtest/gtest.h>

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
