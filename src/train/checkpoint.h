// SPDX-License-Identifier: Apache-2.0
#pragma once
// A checkpoint is RUN/checkpoints/step-00001000/, which appears whole or not at all:
//   config.json, model.safetensors (fp16: γ·code of ternary matrices and ±α of binary ones exactly as the GEMMs used them, the
//   rounded master of everything else), tokenizer files, spectra.json (provenance and the sha256 of the files above)
//   trainer.safetensors   fp32: "master.", "moment1." and "moment2." + parameter name
//   trainer.json          position in the run, hashes of recipe and data, sha256 of trainer.safetensors and spectra.json
// Codes are not saved: they are a function of the masters. Only the newest checkpoints keep the last two files. Nothing here
// depends on time or place: the same training gives the same bytes in both safetensors files.
#include <cstdint>
#include <string>

#include "base/file.h"
#include "format/model_directory.h"
#include "ops/backend.h"
#include "train/transformer.h"

namespace spectra::train {

/// trainer.json: where the run is and what it was made from.
struct TrainerState {
  int64_t step = 0;       ///< done
  int64_t tokens = 0;     ///< read
  int64_t sequences = 0;  ///< the next one to read
  std::string recipe_sha256, data_sha256, tokenizer_sha256;
  std::string backend;  ///< Backend::name(); sums have other bits on another
  int64_t threads = 0;  ///< the same
};

/// RUN/checkpoints/step-00001000.
fs::path checkpoint_path(const fs::path& run, int64_t step);
/// The one with the highest step; empty where there is none.
fs::path newest_checkpoint(const fs::path& run);

/// Writes a checkpoint. `tokenizer`: directory the tokenizer files are copied from.
void save_checkpoint(const fs::path& target, ops::Backend& backend, Transformer& model, const TrainerState& state,
                     const format::Provenance& provenance, const fs::path& tokenizer);
/// Reads trainer.json and verifies every sha256. Throws Error (exit 3) naming the file that is missing or damaged.
TrainerState verify_checkpoint(const fs::path& path);
/// Masters and moments into `model`; its GEMM weights are recomputed. Throws Error where tensors do not match the model.
void load_checkpoint(const fs::path& path, ops::Backend& backend, Transformer& model);

/// Removes the trainer state of all but the newest `keep` checkpoints; their models stay.
void drop_old_trainer_state(const fs::path& run, int64_t keep);
/// Removes what a killed process was writing. Only for the process that holds the run's lock.
void remove_partial_files(const fs::path& run);

/// The fp16 model alone: model.safetensors of `model` at `path`. Returns its sha256.
std::string write_model_file(const fs::path& path, ops::Backend& backend, Transformer& model);

}  // namespace spectra::train
