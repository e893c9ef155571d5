// SPDX-License-Identifier: Apache-2.0
#pragma once
// Before anything is started: whether the model can be quantized as asked, what that takes, and whether it is there.
#include "format/model_directory.h"
#include "model/config.h"
#include "ops/backend.h"
#include "quantize/job.h"

namespace spectra::quantize {

/// The configuration of a float model. Throws Error (exit 3), with advice, for one that is quantized, packed, ternary or binary
/// already.
model::Config float_config(const format::ModelDirectory& directory);

/// The job's group size: the one asked for, or the largest that suits every linear layer where 128 was only the default. Throws
/// Error (exit 2), naming those that do, where the one asked for does not divide the columns of every layer.
int64_t choose_group_size(const Job& job, const model::Config& config);

/// Calibration sequences whose perplexity is reported.
int64_t scored_sequences(int64_t samples, int64_t sequence);

struct Plan {
  uint64_t memory = 0;       ///< without the activations of all tokens
  uint64_t activations = 0;  ///< those
  uint64_t disk = 0;         ///< finished blocks and the output
  bool spill = false;        ///< activations go to a file
  double flop = 0;           ///< of products
  double peak = 0;           ///< FLOP/s that the machine reaches in them; 0 = not measured
};
/// `samples` 0: no calibration.
Plan make_plan(const Job& job, const model::Config& config, int64_t samples, int64_t sequence, size_t activation_bytes,
               uint64_t output_bytes);
/// Decides plan.spill and tells what is to come. Throws Error (exit 5) with the numbers where memory or disk would not do.
void check_room(Plan& plan, const Job& job, ops::Backend& backend);

/// FLOP for each row and square of the columns of a matrix: passing on errors, measuring them, gptaq's target.
double solving_flops(const Options& options, bool calibrated);

}  // namespace spectra::quantize
