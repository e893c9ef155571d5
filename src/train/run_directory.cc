// SPDX-License-Identifier: Apache-2.0
#include "train/run_directory.h"

#include <cerrno>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/error.h"
#include "base/log.h"
#include "base/parallel.h"

namespace spectra::train {
namespace {

/// The recipe may differ from the run's only in settings that do not change the weights.
void check_same_recipe(const Recipe& recipe, const fs::path& run) {
  const fs::path file = run / "recipe.toml";
  if (!fs::exists(file)) throw bad_input(fmt::format("{} is missing", file.string()), "is this a run directory?");
  const Recipe before = parse_recipe(read_file(file, 1 << 20), file.string());
  const std::vector<std::string> differences = recipe_differences(recipe, before);
  if (differences.empty()) return;
  std::string list;
  for (const std::string& difference : differences) list += (list.empty() ? "" : ", ") + difference;
  throw bad_input(
      fmt::format("the recipe differs from that of {}: {}", run.string(), list),
      fmt::format("a run continues with its own recipe, {}; only these may change: {}", file.string(), resumable_keys()));
}

void check_same_data(const TrainerState& state, const TrainingData& data, const Recipe& recipe, const fs::path& checkpoint) {
  const std::string hint = "a run continues on the data it began with";
  if (state.tokenizer_sha256 != data.tokenizer_sha256())
    throw bad_input(fmt::format("the tokenizer of {} (sha256 {}) is not the one {} was trained with (sha256 {})", data.name(),
                                data.tokenizer_sha256(), checkpoint.string(), state.tokenizer_sha256),
                    hint);
  if (state.data_sha256 != data.sha256())
    throw bad_input(fmt::format("{} (sha256 {}) is not the data {} was trained on (sha256 {})", data.name(), data.sha256(),
                                checkpoint.string(), state.data_sha256),
                    hint);
  if (state.recipe_sha256 != recipe_sha256(recipe) || state.tokens != state.step * recipe.batch_tokens ||
      state.sequences != state.step * recipe.batch_sequences() || state.step > recipe.steps())
    throw bad_input(
        fmt::format("{} does not belong to the recipe of its run, or is damaged", (checkpoint / "trainer.json").string()),
        "restore the file, or start a new run");
}

/// The newest checkpoint that is whole; warns of those that are not. Throws Error where none is.
RunStart newest_whole(const fs::path& run) {
  std::optional<Error> newest;
  const std::vector<fs::path> candidates = resumable_checkpoints(run);
  for (const fs::path& path : candidates) {
    try {
      return {path, verify_checkpoint(path)};
    } catch (const Error& error) {
      if (!newest) newest = error;
      if (path != candidates.back()) log_warning("{}; going back to an older checkpoint", error.what());
    }
  }
  if (newest) throw Error(*newest);
  const fs::path last = all_checkpoints(run).back() / "trainer.json";
  throw bad_input(fmt::format("{} is missing, as in every checkpoint of this run", last.string()),
                  "restore one checkpoint's trainer.json and trainer.safetensors from a copy, or start a new run");
}

/// RUN/skipped.json, which outlives the log lines that were cut off.
std::vector<SkippedRange> read_skipped(const fs::path& run) {
  const fs::path file = run / "skipped.json";
  if (!fs::exists(file)) return {};
  try {
    return skipped_from_json(read_file(file, 1 << 24));
  } catch (const nlohmann::json::exception& error) {
    throw bad_input(fmt::format("{} is damaged: {}", file.string(), error.what()),
                    "remove it to train on the sequences that it says were bad");
  }
}

}  // namespace

RunStart find_start(const Recipe& recipe, const fs::path& run, bool resume, const TrainingData& data) {
  RunStart start;
  if (!fs::exists(run) || (fs::is_directory(run) && fs::is_empty(run))) return start;
  if (!resume)
    throw bad_input(fmt::format("{} exists already", run.string()), "continue it with --resume, or choose another --out");
  if (all_checkpoints(run).empty()) {
    // Killed before its first checkpoint, perhaps before recipe.toml was there.
    if (fs::exists(run / "recipe.toml")) check_same_recipe(recipe, run);
  } else {
    check_same_recipe(recipe, run);
    start = newest_whole(run);
    check_same_data(start.state, data, recipe, start.checkpoint);
  }
  std::vector<SkippedRange>& skipped = start.state.faults.skipped;
  merge_skipped(skipped, skipped_after(run / "log.jsonl", start.state.step, recipe.batch_sequences()));
  merge_skipped(skipped, read_skipped(run));
  return start;
}

RunStart step_back(const fs::path& run, int64_t updates) {
  std::vector<fs::path> distrusted;
  for (const fs::path& path : resumable_checkpoints(run)) {
    try {
      const RunStart start{path, verify_checkpoint(path)};
      if (start.state.updates < updates) {
        for (const fs::path& newer : distrusted) fs::remove(newer / "trainer.json");
        return start;
      }
    } catch (const Error& error) {
      log_warning("{}", error.what());
    }
    distrusted.push_back(path);
  }
  return {};
}

std::string start_to_text(const RunStart& start) { return start.checkpoint.string() + "\n" + state_to_json(start.state); }

RunStart start_from_text(const std::string& text) {
  const size_t end = text.find('\n');
  return {text.substr(0, end), state_from_json(text.substr(end + 1))};
}

void warn_of_other_sums(const RunStart& start, const Recipe& recipe, const std::string& backend, int64_t ranks) {
  if (start.checkpoint.empty()) return;
  if (start.state.ranks != ranks && recipe.reduction_groups == 0)
    log_warning(
        "{} was made by {} ranks, these are {}: sums are rounded differently (train.reduction_groups would fix their order)",
        start.checkpoint.string(), start.state.ranks, ranks);
  if (start.state.backend != backend)
    log_warning("{} was made with {}, this is {}: sums are rounded differently", start.checkpoint.string(), start.state.backend,
                backend);
  if (start.state.threads != compute_threads())
    log_warning("{} was made with {} threads, this is {}: sums are rounded differently", start.checkpoint.string(),
                start.state.threads, compute_threads());
}

std::unique_ptr<RunLog> open_run(const Recipe& recipe, const fs::path& run, const RunStart& start) {
  std::error_code failed;
  fs::create_directories(run / "checkpoints", failed);
  if (failed) {
    errno = failed.value();
    throw io_error("make", (run / "checkpoints").string());
  }
  const std::vector<SkippedRange>& skipped = start.state.faults.skipped;
  if (!skipped.empty()) write_file(run / "skipped.json", skipped_to_json(skipped) + "\n");
  auto log = std::make_unique<RunLog>(run / "log.jsonl", start.state.step);
  remove_partial_files(run);
  write_file(run / "recipe.toml", recipe_to_toml(recipe));
  return log;
}

}  // namespace spectra::train
