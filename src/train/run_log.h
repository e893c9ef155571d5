// SPDX-License-Identifier: Apache-2.0
#pragma once
// log.jsonl of a run: one JSON object a step, in order, each written in one piece. The open file also locks the run, so that two
// trainers never share a directory. A full disk does not stop a run: lines wait in memory until one can be written again.
#include <cstdint>
#include <optional>
#include <string>

#include "base/file.h"

namespace spectra::train {

/// One line; absent values are left out, and numbers that are not finite (of a skipped step) are null.
struct LogLine {
  int64_t step = 0, tokens = 0;
  double loss = 0;  ///< nats a token, of the step's batch before its update
  double lr = 0, weight_decay = 0;
  double grad_norm = 0;  ///< before clipping
  double tokens_per_second = 0;
  std::optional<double> validation_loss;
  std::optional<double> zero_fraction;   ///< ternary: zero codes of all linear weights, after the update
  std::optional<double> flip_fraction;   ///< ternary, binary: codes that this step's update changed
  std::optional<double> mfu;             ///< FLOP/s as a fraction of the GEMM peak measured at start
  std::optional<uint64_t> memory_bytes;  ///< resident set of the process now
  std::optional<double> loss_scale;      ///< fp16: what the loss was multiplied with
  std::optional<int64_t> rewound_to;     ///< step of the checkpoint whose weights the run went back to
  std::string skipped;                   ///< why the update was not applied: "overflow", "nan", ...; empty = it was
};

class RunLog {
 public:
  /// Opens or creates `path`, locks it, and removes every line after `last_step` and a torn last line. Throws Error when another
  /// process holds the lock or a line before `last_step` is damaged.
  RunLog(const fs::path& path, int64_t last_step);
  ~RunLog();
  RunLog(const RunLog&) = delete;
  RunLog& operator=(const RunLog&) = delete;
  /// Adds a line. On a full disk it waits in memory (with one warning) for the next append or sync(); the file never ends in a torn
  /// line. Throws Error when writing fails otherwise.
  void append(const LogLine& line);
  /// Waits until everything is on disk. Throws Error when it cannot be, also for lines that still wait.
  void sync();
  /// The newest finite values in the kept or appended lines.
  std::optional<double> loss() const { return loss_; }
  std::optional<double> validation_loss() const { return validation_loss_; }

 private:
  void cut_back(int64_t last_step);
  bool write_waiting();
  fs::path path_;
  int descriptor_ = -1;
  uint64_t size_ = 0;    ///< bytes of whole lines in the file
  std::string waiting_;  ///< lines that did not fit on the disk
  bool warned_ = false;
  std::optional<double> loss_, validation_loss_;
};

}  // namespace spectra::train
