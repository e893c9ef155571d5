// SPDX-License-Identifier: Apache-2.0
#pragma once
// log.jsonl of a run: one JSON object a step, in order, each written in one piece. The open file also locks the run, so that two
// trainers never share a directory.
#include <cstdint>
#include <optional>
#include <string>

#include "base/file.h"

namespace spectra::train {

/// One line; absent values are left out.
struct LogLine {
  int64_t step = 0, tokens = 0;
  double loss = 0;  ///< nats a token, of the step's batch before its update
  double lr = 0, weight_decay = 0;
  double grad_norm = 0;  ///< before clipping
  double tokens_per_second = 0;
  std::optional<double> validation_loss;
  std::optional<double> zero_fraction;  ///< ternary: zero codes of all linear weights, after the update
  std::optional<double> flip_fraction;  ///< ternary, binary: codes that this step's update changed
};

class RunLog {
 public:
  /// Opens or creates `path`, locks it, and removes every line after `last_step` and a torn last line. Throws Error when another
  /// process holds the lock or a line before `last_step` is damaged.
  RunLog(const fs::path& path, int64_t last_step);
  ~RunLog();
  RunLog(const RunLog&) = delete;
  RunLog& operator=(const RunLog&) = delete;
  void append(const LogLine& line);
  /// Waits until everything is on disk.
  void sync();
  /// The newest values in the kept or appended lines.
  std::optional<double> loss() const { return loss_; }
  std::optional<double> validation_loss() const { return validation_loss_; }

 private:
  void cut_back(int64_t last_step);
  fs::path path_;
  int descriptor_ = -1;
  std::optional<double> loss_, validation_loss_;
};

}  // namespace spectra::train
