// SPDX-License-Identifier: Apache-2.0
#pragma once
// What a run writes about itself, one step at a time:
//   log.jsonl     one JSON object a step, in order. The open file also locks the run: two trainers never share a directory.
//   layers.jsonl  statistics of every low-bit matrix, for the steps that have them: {"step", "layers": [{"name", "scales": [],
//                 "zero_fraction", "flip_fraction", "near_fraction", "distance"}]}
//   events.out.tfevents.*  the same numbers for TensorBoard, see event_file.h
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/file.h"
#include "train/append_file.h"
#include "train/event_file.h"
#include "train/layer_statistics.h"

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
  std::optional<double> mfu;             ///< FLOP/s as a fraction of the GEMM peak measured in the run
  std::optional<uint64_t> memory_bytes;  ///< resident set of the process now
  std::optional<double> loss_scale;      ///< fp16: what the loss was multiplied with
  std::optional<int64_t> rewound_to;     ///< step of the checkpoint whose weights the run went back to
  std::string skipped;                   ///< why the update was not applied: "overflow", "nan", ...; empty = it was
  std::vector<LayerStatistics> layers;   ///< for layers.jsonl; empty = not of this step
};

/// The step in words for the live line: "step 1200  loss 3.214  5600 tok/s  67 % of peak", most important first.
std::string progress_text(const LogLine& line);

class RunLog {
 public:
  /// Opens or creates log.jsonl at `path` and its neighbours, locks it, and removes everything after `last_step` and a torn last
  /// line. Throws Error when another process holds the lock or a line before `last_step` is damaged.
  RunLog(const fs::path& path, int64_t last_step);
  /// Adds a step. Where the disk is full it waits in memory, see AppendFile. Throws Error when writing fails otherwise.
  void append(const LogLine& line);
  /// Waits until everything is on disk. Throws Error when it cannot be, also for lines that still wait.
  void sync();
  /// The newest finite values in the kept or appended lines.
  std::optional<double> loss() const { return loss_; }
  std::optional<double> validation_loss() const { return validation_loss_; }

 private:
  AppendFile log_;
  std::unique_ptr<AppendFile> layers_;  ///< once there is something in it
  std::unique_ptr<EventFile> events_;
  std::optional<double> loss_, validation_loss_;
};

}  // namespace spectra::train
