// SPDX-License-Identifier: Apache-2.0
#pragma once
// A checkpoint is RUN/checkpoints/step-00001000/, which appears whole or not at all:
//   config.json, model.safetensors (fp16: γ·code of ternary matrices and ±α of binary ones exactly as the GEMMs used them, the
//   rounded master of everything else), tokenizer files, spectra.json (provenance and the sha256 of the files above)
//   trainer.safetensors   fp32: "master.", "moment1." and "moment2." + parameter name
//   trainer.json          position in the run, hashes of recipe and data, sha256 of trainer.safetensors and spectra.json
// Codes are not saved: they are a function of the masters. Only the newest checkpoints keep the last two files, see retention.h.
// Nothing here depends on time, place or the number of ranks: the same training gives the same bytes in both safetensors files.
// Rank 0 writes; the owners send it their parts, one tensor at a time.
#include <cstdint>
#include <string>
#include <vector>

#include "base/file.h"
#include "format/model_directory.h"
#include "ops/backend.h"
#include "ranks/ranks.h"
#include "train/faults.h"
#include "train/transformer.h"

namespace spectra::train {

/// trainer.json: where the run is and what it was made from.
struct TrainerState {
  int64_t step = 0;       ///< done
  int64_t updates = 0;    ///< steps that were not skipped
  int64_t tokens = 0;     ///< read
  int64_t sequences = 0;  ///< the next one to read
  std::string recipe_sha256, data_sha256, tokenizer_sha256;
  std::string backend;  ///< Backend::name(); sums have other bits on another
  int64_t threads = 0;  ///< the same, of each rank
  int64_t ranks = 1;
  FaultState faults;
};
std::string state_to_json(const TrainerState& state);
/// Throws nlohmann's exceptions for a text that is not one of these.
TrainerState state_from_json(const std::string& json);

/// RUN/checkpoints/step-00001000.
fs::path checkpoint_path(const fs::path& run, int64_t step);
/// Checkpoint directories, oldest first.
std::vector<fs::path> all_checkpoints(const fs::path& run);
/// Those that still have their trainer state, newest first: what a run can continue from.
std::vector<fs::path> resumable_checkpoints(const fs::path& run);

/// Writes a checkpoint, in place of one of the same name. `tokenizer`: directory the tokenizer files are copied from. Every rank
/// calls it; where writing fails, rank 0 throws the Error after the others are through, and nothing is left behind.
void save_checkpoint(const fs::path& target, ops::Backend& backend, ranks::Ranks& ranks, Transformer& model,
                     const TrainerState& state, const format::Provenance& provenance, const fs::path& tokenizer);
/// Reads trainer.json and verifies every sha256. Throws Error (exit 3) naming the file that is missing or damaged.
TrainerState verify_checkpoint(const fs::path& path);
/// Masters and moments that this rank keeps into `model`; the GEMM weights are recomputed and shared. Throws Error where tensors do
/// not match the model.
void load_checkpoint(const fs::path& path, ops::Backend& backend, ranks::Ranks& ranks, Transformer& model);

/// Removes what a killed process was writing, and puts back a checkpoint that it was replacing (swap_directories). Only for the
/// process that holds the run's lock.
void remove_partial_files(const fs::path& run);

/// model.safetensors: the fp16 model, parameter by parameter.
class ModelFile {
 public:
  ModelFile(const fs::path& path, ops::Backend& backend, Transformer& model);
  ~ModelFile();
  /// The next parameter in file order from its (rows * cols) master values.
  void write(const model::Parameter& info, const std::vector<float>& master);
  /// Returns the sha256.
  std::string close();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace spectra::train
