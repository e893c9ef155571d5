// SPDX-License-Identifier: Apache-2.0
#include "train/retention.h"

#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <numeric>
#include <vector>

#include "base/error.h"
#include "base/log.h"
#include "base/parallel.h"
#include "base/system.h"
#include "lowbit/packed.h"
#include "model/pack.h"
#include "model/packed_tensors.h"
#include "train/checkpoint.h"

namespace spectra::train {
namespace {

bool log_spaced(const Recipe& recipe, int64_t step) { return recipe.log_spaced && (step & (step - 1)) == 0; }

lowbit::Format packed_format(model::Family family) {
  return family == model::Family::kBinary ? lowbit::Format::kBin1 : lowbit::Format::kTern1_6;
}

/// The step of ".../step-00001000".
int64_t step_of(const fs::path& checkpoint) {
  const std::string name = checkpoint.filename().string();
  int64_t step = 0;
  std::from_chars(name.data() + name.find('-') + 1, name.data() + name.size(), step);
  return step;
}

/// A name beside `checkpoint` that remove_partial_files() clears away when this process is killed.
fs::path hidden_name(const fs::path& checkpoint, const char* purpose) {
  return checkpoint.parent_path() / fmt::format(".{}.{}.partial-{}", checkpoint.filename().string(), purpose, ::getpid());
}

/// The whole directory disappears in one step.
void remove_checkpoint(const fs::path& checkpoint) {
  const fs::path hidden = hidden_name(checkpoint, "removed");
  fs::rename(checkpoint, hidden);
  fs::remove_all(hidden);
}

void remove_trainer_state(const fs::path& checkpoint) {
  fs::remove(checkpoint / "trainer.json");  // first: without it nobody tries to resume from here
  fs::remove(checkpoint / "trainer.safetensors");
}

bool is_packed(const fs::path& checkpoint) {
  return !model::packed_format_from_json(read_file(checkpoint / "config.json", 1 << 20)).empty();
}

/// The packed model takes the place of the other in one step. False: it could not be packed, and nothing has changed.
bool pack_checkpoint(const fs::path& checkpoint, model::Family family) {
  const fs::path hidden = hidden_name(checkpoint, "packed");
  try {
    model::pack_model(checkpoint, hidden, packed_format(family), true, compute_threads());
    swap_directories(hidden, checkpoint);
    fs::remove_all(hidden);
    return true;
  } catch (const std::exception& error) {
    std::error_code ignored;
    fs::remove_all(hidden, ignored);
    if (!interrupted()) log_warning("{} stays unpacked: {}", checkpoint.string(), error.what());
    return false;
  }
}

/// Checkpoints up to `step` but the newest `keep` with trainer state, oldest first. Those without one that are newer than the
/// oldest kept stay as they are: the run has gone back behind them.
std::vector<fs::path> retired(const fs::path& run, int64_t keep, int64_t step) {
  std::vector<fs::path> list;
  std::vector<fs::path> all = all_checkpoints(run);
  std::reverse(all.begin(), all.end());
  int64_t complete = 0;
  for (const fs::path& checkpoint : all) {
    if (step_of(checkpoint) > step) continue;
    if (complete == keep) list.insert(list.begin(), checkpoint);
    if (complete < keep && fs::exists(checkpoint / "trainer.json")) ++complete;
  }
  return list;
}

}  // namespace

bool makes_checkpoint(const Recipe& recipe, int64_t step) {
  return step % recipe.checkpoint_every == 0 || log_spaced(recipe, step) || step == recipe.steps();
}

bool model_stays(const Recipe& recipe, int64_t step) {
  return recipe.keep_every == 0 || step % recipe.keep_every == 0 || log_spaced(recipe, step) || step == recipe.steps();
}

CheckpointCounts count_checkpoints(const Recipe& recipe, int64_t done) {
  const int64_t steps = recipe.steps();
  const auto multiples = [&](int64_t of) { return steps / of - done / of; };
  const int64_t stay_every =
      recipe.keep_every == 0 ? recipe.checkpoint_every
                             : recipe.checkpoint_every / std::gcd(recipe.checkpoint_every, recipe.keep_every) * recipe.keep_every;
  CheckpointCounts counts{multiples(recipe.checkpoint_every), multiples(stay_every)};
  const auto add = [&](int64_t step) {
    if (step <= done) return;
    counts.made += step % recipe.checkpoint_every != 0;
    counts.models += step % stay_every != 0;
  };
  if (recipe.log_spaced)
    for (int64_t step = 1; step < steps; step *= 2) add(step);
  add(steps);
  return counts;
}

uint64_t packed_model_bytes(const model::Config& config) {
  uint64_t bytes = 0;
  for (const model::Parameter& parameter : model::parameters(config))
    bytes += parameter.role == model::Role::kLinear
                 ? model::packed_bytes(model::packed_shape(parameter, packed_format(config.family), config.shards))
                 : static_cast<uint64_t>(2 * parameter.rows * parameter.cols);
  return bytes;
}

void retire_checkpoints(const fs::path& run, const Recipe& recipe, int64_t step) {
  const model::Family family = model::family_from_name(recipe.family);
  bool pack = recipe.pack && family != model::Family::kFloat;
  for (const fs::path& checkpoint : retired(run, recipe.keep, step)) {
    if (interrupted()) return;
    if (!model_stays(recipe, step_of(checkpoint))) {
      remove_checkpoint(checkpoint);
      continue;
    }
    remove_trainer_state(checkpoint);  // before packing, which may need the space
    if (pack && !is_packed(checkpoint)) pack = pack_checkpoint(checkpoint, family);
  }
}

}  // namespace spectra::train
