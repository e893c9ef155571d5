// SPDX-License-Identifier: Apache-2.0
#pragma once
// What happened to the training loss: at the interventions, in spikes, and beside another run.
#include <string>
#include <vector>

#include "analysis/run.h"

namespace spectra::analysis {

/// An intervention of the schedule: the peak learning rate is lowered ("lr_drop"), weight decay ends ("decay_off").
struct EventEffect {
  std::string event;
  double tokens = 0;                       ///< where it happened
  double loss_before = 0, loss_after = 0;  ///< means over the windows on both sides; their difference is mostly the trend
  /// Between the two fitted lines at the event, and its standard error from their residuals (NaN with two log lines on a side).
  double jump = 0, jump_error = 0;
  double slope_before = 0, slope_after = 0;  ///< change of the loss a per cent of the run's tokens, fitted in the windows
};
/// `window`: tokens on each side, as a share of the run's. Events without two log lines on both sides are left out.
std::vector<EventEffect> event_effects(const TrainingRun& run, double window);

struct Spike {
  double tokens = 0, loss = 0;  ///< its highest line
  double above = 0;             ///< what the lines before it let expect where it begins
};
/// Lines whose loss stands out from the 50 before (at least 10), by 0.1 nats and six times their spread: above their trend, a line
/// fitted to them, and above the median of the last five. The spread is 1.4826 times the median distance from the trend, so a steep
/// fall does not hide a spike. Neighbouring lines are one spike; a rise that lasts 50 lines is the new level.
std::vector<Spike> loss_spikes(const TrainingRun& run);

/// Mean training loss of the run's last `share` of tokens.
double final_loss(const TrainingRun& run, double share);

struct LossRatio {
  double tokens = 0, ratio = 0;
};
/// Loss of `run` over that of `base` at the same tokens, means over windows that cut the tokens that both have seen into equal
/// parts; windows in which one has no line are left out.
std::vector<LossRatio> relative_loss(const TrainingRun& run, const TrainingRun& base, int windows);

}  // namespace spectra::analysis
