// SPDX-License-Identifier: Apache-2.0
#pragma once
// Learning rate and weight decay as pure functions of tokens seen (paper 3.2 and Fig. 6): warm-up from 0, then cosine
// (FloatLM) or linear decay with two interventions (TriLM, BiLM): at half of the run the peak is replaced by a lower one, and
// at two thirds weight decay ends.
#include <cstdint>

#include "train/recipe.h"

namespace spectra::train {

struct Schedule {
  int64_t total = 0;   ///< tokens of the run (T)
  int64_t warmup = 0;  ///< tokens of linear rise (w)
  double peak = 0, second_peak = 0, floor = 0;
  bool cosine = false;
  double drop_at = 1, decay_off_at = 1;  ///< fractions of `total`; 1 = never
  double weight_decay = 0;

  /// t < w: peak t/w. After it, with p = the second peak from drop_at T on:
  /// linear: floor + (p - floor) (T - t)/(T - w); cosine: floor + (p - floor) (1 + cos(pi (t - w)/(T - w)))/2.
  /// So the rate falls by the ratio of the peaks at the drop and goes on to the floor. t > T counts as T.
  double lr(double tokens) const;
  double decay(double tokens) const;
};

Schedule make_schedule(const Recipe& recipe);
/// Where a step reads the schedule: the middle of its tokens, so that neither the first nor the last step has rate 0.
double schedule_position(const Recipe& recipe, int64_t step);

}  // namespace spectra::train
