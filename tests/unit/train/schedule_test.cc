// SPDX-License-Identifier: Apache-2.0
#include "train/schedule.h"

#include <gtest/gtest.h>

#include <cmath>

namespace spectra::train {
namespace {

Schedule trilm() {
  Schedule s;
  s.total = 1000;
  s.warmup = 10;
  s.peak = 2.4e-3;
  s.second_peak = 1.5e-3;
  s.drop_at = 0.5;
  s.decay_off_at = 0.667;
  s.weight_decay = 0.1;
  return s;
}

TEST(Schedule, WarmUpRisesFromZeroToThePeak) {
  EXPECT_DOUBLE_EQ(trilm().lr(0), 0);
  EXPECT_DOUBLE_EQ(trilm().lr(5), 1.2e-3);
  EXPECT_DOUBLE_EQ(trilm().lr(10), 2.4e-3);
}

TEST(Schedule, TriLMDropsByTheRatioOfThePeaksAtHalfAndEndsAtZero) {
  const Schedule s = trilm();
  EXPECT_NEAR(s.lr(499.999), 2.4e-3 * 500 / 990, 1e-8);
  EXPECT_DOUBLE_EQ(s.lr(500), 1.5e-3 * 500 / 990);
  EXPECT_NEAR(s.lr(500) / s.lr(499.9999), 1.5 / 2.4, 1e-6);
  EXPECT_DOUBLE_EQ(s.lr(901), 1.5e-3 / 10);
  EXPECT_DOUBLE_EQ(s.lr(1000), 0);
  EXPECT_DOUBLE_EQ(s.lr(1020), 0);  // the last step is rounded up
}

TEST(Schedule, WeightDecayEndsAtTwoThirds) {
  EXPECT_DOUBLE_EQ(trilm().decay(666.9), 0.1);
  EXPECT_DOUBLE_EQ(trilm().decay(667), 0);
  Schedule never = trilm();
  never.decay_off_at = 1;
  EXPECT_DOUBLE_EQ(never.decay(1000), 0.1);
}

TEST(Schedule, FloatLMFollowsACosineToItsFloor) {
  Schedule s = trilm();
  s.cosine = true;
  s.peak = s.second_peak = 4e-4;
  s.drop_at = s.decay_off_at = 1;
  s.floor = 4e-5;
  EXPECT_DOUBLE_EQ(s.lr(10), 4e-4);
  EXPECT_DOUBLE_EQ(s.lr(505), 2.2e-4);                             // half way: the mean of peak and floor
  EXPECT_NEAR(s.lr(10 + 990.0 / 3), 4e-5 + 3.6e-4 * 0.75, 1e-12);  // cos(pi/3) = 1/2
  EXPECT_DOUBLE_EQ(s.lr(1000), 4e-5);
}

TEST(Schedule, NoWarmUpAndAllWarmUpAreDefined) {
  Schedule s = trilm();
  s.warmup = 0;
  EXPECT_DOUBLE_EQ(s.lr(0), 2.4e-3);
  s.warmup = 1000;
  EXPECT_DOUBLE_EQ(s.lr(500), 1.2e-3);
  EXPECT_TRUE(std::isfinite(s.lr(1000)));
}

TEST(Schedule, StepsReadItInTheMiddleOfTheirTokens) {
  Recipe recipe;
  recipe.batch_tokens = 100;
  EXPECT_DOUBLE_EQ(schedule_position(recipe, 1), 50);
  EXPECT_DOUBLE_EQ(schedule_position(recipe, 10), 950);
}

}  // namespace
}  // namespace spectra::train
