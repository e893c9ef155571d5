// SPDX-License-Identifier: Apache-2.0
#pragma once
// What a run directory says about a training run: its log, its recipe and its last checkpoint.
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "base/file.h"
#include "model/config.h"

namespace spectra::analysis {

/// One line of log.jsonl; NaN where the line does not have the value.
struct LogPoint {
  static constexpr double kAbsent = std::numeric_limits<double>::quiet_NaN();
  int64_t step = 0;
  double tokens = 0;
  double loss = kAbsent, validation_loss = kAbsent, lr = kAbsent, weight_decay = kAbsent, grad_norm = kAbsent;
  double tokens_per_second = kAbsent, zero_fraction = kAbsent, flip_fraction = kAbsent;
  double mfu = kAbsent, memory_bytes = kAbsent, loss_scale = kAbsent;
  std::string skipped;  ///< why the step's update was not applied; empty = it was
};

/// One line of layers.jsonl: means over the matrices of each layer.
struct LayerPoint {
  double tokens = 0;
  std::vector<double> scale, near_fraction, distance;  ///< (layers)
};

struct TrainingRun {
  std::string name;           ///< the directory's name
  fs::path path, checkpoint;  ///< the newest checkpoint
  model::Config config;       ///< the model of that checkpoint
  std::vector<LogPoint> log;
  std::vector<LayerPoint> layers;              ///< empty for float models and where log.layers_every = 0
  double validation_loss = LogPoint::kAbsent;  ///< the last one measured
  double parameters = 0, bits = 0;             ///< bits: paper's convention with the model's own vocabulary
  /// Where the peak learning rate drops and where weight decay becomes 0, in tokens; NaN = nowhere, or not there yet. By the recipe
  /// in the run, else as the log shows it.
  double lr_drop_at = LogPoint::kAbsent, decay_off_at = LogPoint::kAbsent;
};

/// Throws Error when `path` is not a run directory or its log is damaged (naming the line).
TrainingRun read_run(const fs::path& path);
/// 16, 1.58 or 1: what the paper counts for a linear weight of this family.
double bits_per_weight(model::Family family);

}  // namespace spectra::analysis
