// SPDX-License-Identifier: Apache-2.0
#pragma once
// A run directory before training: what may be continued, what is refused.
#include <memory>

#include "format/token_data.h"
#include "train/checkpoint.h"
#include "train/recipe.h"
#include "train/run_log.h"

namespace spectra::train {

/// Opens the recipe's data with every check: sha256 of each file, the tokenizer that data.json names, tokens below the vocabulary,
/// a split "train". Throws Error (exit 3) naming the file.
format::TokenData open_data(const Recipe& recipe);

/// Where a run begins: step 0, or a verified checkpoint.
struct RunStart {
  fs::path checkpoint;  ///< empty = step 0
  TrainerState state;
};
/// Reads only. Throws Error (exit 3): a used directory without `resume`; a changed recipe, naming the keys; other data or another
/// tokenizer; a damaged checkpoint, naming the file.
RunStart find_start(const Recipe& recipe, const fs::path& run, bool resume, const format::TokenData& data);
/// A checkpoint continued with other arithmetic (backend, threads) is no longer bit for bit the same training: says so.
void warn_of_other_sums(const RunStart& start, const std::string& backend);

/// Makes the directory, writes recipe.toml, removes what a killed process left, and opens the log, cut back to `step`.
std::unique_ptr<RunLog> open_run(const Recipe& recipe, const fs::path& run, int64_t step);

}  // namespace spectra::train
