// SPDX-License-Identifier: Apache-2.0
#pragma once
// Which steps make a checkpoint, and what becomes of it when newer ones have come ([checkpoint] of the recipe).
//
// Made: at multiples of `every`, with `log_spaced` also at steps 1, 2, 4, 8, ... (as Pythia, to see the fast start), and at the
// end.
//
// Complete (model and trainer state, to continue from): the newest `keep`.
//
// Model only: older ones at multiples of `keep_every` (0 = all), those that `log_spaced` made, and the last. Of a ternary or binary
// run they are packed, unless `pack` is off: the same weights in a tenth of the space.
//
// Everything else is removed. A kill at any moment leaves whole checkpoints; what it left undone is done at the next one.
#include <cstdint>
#include <string>

#include "base/file.h"
#include "model/config.h"
#include "train/recipe.h"

namespace spectra::train {

/// Whether the run saves a checkpoint after `step` (1 for the first).
bool makes_checkpoint(const Recipe& recipe, int64_t step);
/// Whether the model of `step` stays when its trainer state goes.
bool model_stays(const Recipe& recipe, int64_t step);

/// Numbers of checkpoints that a run makes after step `done`, for the estimate of the disk.
struct CheckpointCounts {
  int64_t made = 0, models = 0;  ///< models: of those made, the ones that stay
};
CheckpointCounts count_checkpoints(const Recipe& recipe, int64_t done);
/// Of the linear weights, embedding and norms of a packed model.
uint64_t packed_model_bytes(const model::Config& config);

/// Applies the rules to the checkpoints up to `step`, the last one that is known to be whole: those after it were rejected by a
/// resume and are replaced when the run comes by. Only complete ones count for `keep`. A model that cannot be packed, as on a full
/// disk, stays as it is, with a warning; an interrupt leaves the rest for the next time. Only for the process that holds the run's
/// lock.
void retire_checkpoints(const fs::path& run, const Recipe& recipe, int64_t step);

}  // namespace spectra::train
