// SPDX-License-Identifier: Apache-2.0
#pragma once
// A training run: RUN/recipe.toml (as resolved), RUN/log.jsonl, RUN/checkpoints/step-*/. A run that was stopped anywhere, by a
// signal, kill -9 or a full disk, continues from its newest checkpoint bit for bit.
#include <cstdint>
#include <memory>
#include <optional>

#include "base/file.h"
#include "ranks/ranks.h"
#include "train/plan.h"
#include "train/recipe.h"

namespace spectra::train {

struct TrainResult {
  fs::path checkpoint;
  int64_t step = 0, tokens = 0;                 ///< of the whole run
  std::optional<double> loss, validation_loss;  ///< newest, nats a token
  double tokens_per_second = 0;                 ///< of the steps of this process, without validation and checkpoints; 0 = no steps
  double flops_per_second = 0;                  ///< the same
  std::optional<double> mfu;                    ///< of the GEMM peak; absent in runs of a few seconds
  int64_t skipped_batches = 0, skipped_tokens = 0;
  std::optional<double> lowest_loss_scale;  ///< fp16
};

class Trainer {
 public:
  /// Checks recipe, data, memory and disk before anything is written, then opens or continues `run`. Throws Error: exit 3 for data
  /// or a checkpoint that is damaged or does not belong to the recipe, and for a used directory without `resume`; exit 5 for a run
  /// that would not fit. `resume` of a run without a checkpoint begins at step 0. Every rank makes one; rank 0 alone writes.
  Trainer(const Recipe& recipe, const fs::path& run, bool resume, ranks::Ranks& ranks);
  /// The same on a backend of the caller's instead of the recipe's.
  Trainer(const Recipe& recipe, const fs::path& run, bool resume, ranks::Ranks& ranks, std::unique_ptr<ops::Backend> backend);
  ~Trainer();
  /// Trains to the end of the recipe. SIGINT or SIGTERM: saves a checkpoint and throws Error (exit 130). A checkpoint that cannot
  /// be written is a warning, unless it is the last one.
  TrainResult run();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace spectra::train
