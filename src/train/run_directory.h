// SPDX-License-Identifier: Apache-2.0
#pragma once
// A run directory before training: what may be continued, what is refused.
#include <memory>

#include "train/checkpoint.h"
#include "train/data.h"
#include "train/recipe.h"
#include "train/run_log.h"

namespace spectra::train {

/// Where a run begins: step 0, or a verified checkpoint.
struct RunStart {
  fs::path checkpoint;  ///< empty = step 0
  TrainerState state;
};
/// Reads only. A damaged newest checkpoint is named in a warning and the one before is taken. Throws Error (exit 3): a used
/// directory without `resume`; a changed recipe, naming the keys; other data or another tokenizer; no checkpoint that is whole.
RunStart find_start(const Recipe& recipe, const fs::path& run, bool resume, const TrainingData& data);
/// The newest whole checkpoint with fewer than `updates` updates, for going back; those after it lose their trainer state, so that
/// no resume begins there. Empty where there is none, and then nothing is changed.
RunStart step_back(const fs::path& run, int64_t updates);
std::string start_to_text(const RunStart& start);
RunStart start_from_text(const std::string& text);
/// A checkpoint continued with other arithmetic (backend, threads, ranks) is no longer bit for bit the same training: says so.
void warn_of_other_sums(const RunStart& start, const Recipe& recipe, const std::string& backend, int64_t ranks);

/// Makes the directory, writes recipe.toml and, before the log is cut back to the start's step, skipped.json: what the lines that
/// go know of skipped sequences. Removes what a killed process left. Throws Error where the directory cannot be made.
std::unique_ptr<RunLog> open_run(const Recipe& recipe, const fs::path& run, const RunStart& start);

}  // namespace spectra::train
