// SPDX-License-Identifier: Apache-2.0
#include "train/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace spectra::train {

double Schedule::lr(double tokens) const {
  const double end = static_cast<double>(total), rise = static_cast<double>(warmup), t = std::min(tokens, end);
  if (t < rise) return peak * t / rise;
  const double p = drop_at < 1 && t >= drop_at * end ? second_peak : peak;
  const double left = end > rise ? (end - t) / (end - rise) : 1.0;
  return floor + (p - floor) * (cosine ? 0.5 * (1.0 - std::cos(std::numbers::pi * left)) : left);
}

double Schedule::decay(double tokens) const {
  return decay_off_at < 1 && tokens >= decay_off_at * static_cast<double>(total) ? 0.0 : weight_decay;
}

Schedule make_schedule(const Recipe& recipe) {
  Schedule schedule;
  schedule.total = recipe.tokens;
  schedule.warmup = recipe.warmup_tokens();
  schedule.peak = recipe.lr;
  schedule.second_peak = recipe.lr_second;
  schedule.floor = recipe.lr_min;
  schedule.cosine = recipe.decay == "cosine";
  schedule.drop_at = recipe.lr_drop_at;
  schedule.decay_off_at = recipe.decay_off_at;
  schedule.weight_decay = recipe.weight_decay;
  return schedule;
}

double schedule_position(const Recipe& recipe, int64_t step) {
  return (static_cast<double>(step) - 0.5) * static_cast<double>(recipe.batch_tokens);
}

}  // namespace spectra::train
