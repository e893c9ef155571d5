// SPDX-License-Identifier: Apache-2.0
#pragma once
// Which batches do not count. A batch whose loss or gradient is not finite, or stands out of those before it, is skipped: no
// update, the run goes on with the next one. After several in a row the weights themselves are in doubt: the run goes back to an
// older checkpoint's weights and skips everything since (as PaLM's authors did, Chowdhery et al. 2022, 5.1). Every rank has the
// same numbers, so all decide alike. In fp16 a gradient that overflows only says that the loss scale is too large.
#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "train/recipe.h"

namespace spectra::train {

/// Sequences of the run that are not trained on.
struct SkippedRange {
  int64_t first = 0, count = 0;
  std::string reason;  ///< "nan", "loss spike", "gradient spike", "rewind"
};

/// Dynamic loss scaling (Micikevicius et al. 2018): halved and the batch skipped when a gradient overflows, doubled after
/// loss_scale.window steps without. Powers of two, so scaling itself never rounds.
struct LossScale {
  double scale = 0;   ///< 0 = not begun
  double lowest = 0;  ///< seen in the run
  int64_t good_steps = 0;
};

/// Everything of a run's faults that a checkpoint keeps.
struct FaultState {
  std::vector<SkippedRange> skipped;
  int64_t skipped_batches = 0, skipped_tokens = 0;  ///< overflows too: the columns of the paper's Table 5
  int64_t in_a_row = 0;                             ///< skipped batches at the end, overflows not counted
  int64_t rewinds = 0;
  LossScale loss_scale;
  std::deque<double> losses, grad_norms;  ///< of the last faults.window batches that counted
};

class Faults {
 public:
  Faults(const Recipe& recipe, FaultState state);
  const FaultState& state() const { return state_; }
  /// What the loss is multiplied with before the backward pass; 1 except in fp16.
  double loss_scale() const { return recipe_.precision == "fp16" ? state_.loss_scale.scale : 1; }

  /// Why sequences [first, first + count) were skipped before; empty = they were not.
  std::string recorded(int64_t first, int64_t count) const;
  /// What is wrong with a batch: "", "overflow", "nan", "loss spike", "gradient spike". `grad_norm`: of the unscaled gradient.
  std::string judge(double loss, double grad_norm) const;
  /// The batch counts.
  void accept(double loss, double grad_norm);
  /// The batch [first, first + count) of the run's sequences does not count.
  void skip(int64_t first, int64_t count, const std::string& reason);
  /// Enough batches in a row were skipped.
  bool rewind_due() const;
  /// The run went back to weights whose faults were `then`: sequences [first, first + count) are lost.
  void rewound(const FaultState& then, int64_t first, int64_t count);

 private:
  const Recipe& recipe_;
  FaultState state_;
};

/// "[...]" with the ranges, for trainer.json; and back. `where`: for messages.
std::string fault_state_to_json(const FaultState& state);
FaultState fault_state_from_json(const std::string& json);

std::string skipped_to_json(const std::vector<SkippedRange>& ranges);
/// Throws nlohmann's exceptions.
std::vector<SkippedRange> skipped_from_json(const std::string& json);
/// Adds the ranges that are not there yet; in order of the sequences.
void merge_skipped(std::vector<SkippedRange>& ranges, const std::vector<SkippedRange>& more);

/// The ranges that log lines after `step` say were skipped (overflows left out: they come again by themselves). A run resumed at
/// `step` must skip them again, whether or not the fault would come back.
std::vector<SkippedRange> skipped_after(const fs::path& log, int64_t step, int64_t batch_sequences);

}  // namespace spectra::train
