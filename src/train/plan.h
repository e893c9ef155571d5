// SPDX-License-Identifier: Apache-2.0
#pragma once
// What a run will need, known before it starts: refused when it does not fit (exit 5), printed by `train --dry-run`.
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "model/config.h"
#include "ops/backend.h"
#include "train/recipe.h"

namespace spectra::train {

struct Plan {
  model::Config config;
  model::ParameterCount parameters;
  int64_t steps = 0, batch_sequences = 0, micro_batches = 0;
  int64_t warmup_steps = 0;
  uint64_t master_bytes = 0, gradient_bytes = 0, moment_bytes = 0;
  uint64_t gemm_weight_bytes = 0;  ///< what GEMMs multiply with instead of the masters
  uint64_t activation_bytes = 0;   ///< of one micro-batch, as train.recompute keeps them
  /// The same for every value of train.recompute.
  std::vector<std::pair<std::string, uint64_t>> activation_choices;
  uint64_t model_bytes = 0;    ///< on disk: the fp16 model of one checkpoint
  uint64_t trainer_bytes = 0;  ///< on disk: masters and moments
  int64_t checkpoints = 0;     ///< still to be written
  uint64_t disk_bytes = 0;     ///< all checkpoints of the run at the worst moment
  double flops_per_token = 0;  ///< forward and backward; a multiplication and an addition are two

  uint64_t scratch_bytes = 0;                   ///< copies beside the tensors: of a checkpoint being written, of fp16 products
  std::vector<uint64_t> owned_bytes;            ///< masters and moments of each rank
  uint64_t memory_bytes() const;                ///< of the rank that needs most
  uint64_t memory_bytes(int ranks_here) const;  ///< of the first so many ranks together, on one host
  double total_flops() const;
  int64_t tokens = 0;  ///< steps * batch: what is really read
};

/// `vocab`, `eos`: of the data's tokenizer. `first_step`: steps already done. Memory is that of the rank that needs most.
Plan make_plan(const Recipe& recipe, int64_t vocab, int32_t eos, int64_t first_step = 0, int ranks = 1);
/// Throws Error (exit 5) with the numbers and a suggestion. `run`: where checkpoints go. `ranks_here`: ranks that share this
/// device's memory.
void require_resources(const Plan& plan, const fs::path& run, const ops::DeviceMemory& memory, int ranks_here = 1);
/// A table for people. `tokens_per_second`: expected; 0 = not known, then no time is told.
std::string describe(const Plan& plan, const Recipe& recipe, double tokens_per_second = 0);

/// Entries of the paper's tokenizer (GPT-NeoX): plans a run of one of its sizes whose data is not there yet.
constexpr int64_t kPaperTokenizerEntries = 50'277;

}  // namespace spectra::train
