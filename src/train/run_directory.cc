// SPDX-License-Identifier: Apache-2.0
#include "train/run_directory.h"

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
      fmt::format(
          "a run continues with its own recipe, {}; only checkpoint.*, validation.*, train.recompute and data.path may change",
          file.string()));
}

void check_same_data(const TrainerState& state, const format::TokenData& data, const Recipe& recipe, const fs::path& checkpoint) {
  const std::string hint = "a run continues on the data it began with";
  if (state.tokenizer_sha256 != data.info().tokenizer_sha256)
    throw bad_input(fmt::format("the tokenizer of {} (sha256 {}) is not the one {} was trained with (sha256 {})",
                                data.path().string(), data.info().tokenizer_sha256, checkpoint.string(), state.tokenizer_sha256),
                    hint);
  if (state.data_sha256 != data.sha256())
    throw bad_input(fmt::format("{} (data.json has sha256 {}) is not the data {} was trained on (sha256 {})", data.path().string(),
                                data.sha256(), checkpoint.string(), state.data_sha256),
                    hint);
  if (state.recipe_sha256 != recipe_sha256(recipe) || state.tokens != state.step * recipe.batch_tokens ||
      state.sequences != state.step * recipe.batch_sequences() || state.step > recipe.steps())
    throw bad_input(
        fmt::format("{} does not belong to the recipe of its run, or is damaged", (checkpoint / "trainer.json").string()),
        "restore the file, or start a new run");
}

}  // namespace

format::TokenData open_data(const Recipe& recipe) {
  format::TokenData data(recipe.data, true);
  if (!fs::exists(data.path() / "tokenizer.json"))
    throw bad_input(fmt::format("{} is missing", (data.path() / "tokenizer.json").string()),
                    "checkpoints need it: copy it back, or prepare the data again");
  data.check_tokens();
  data.split("train");
  return data;
}

RunStart find_start(const Recipe& recipe, const fs::path& run, bool resume, const format::TokenData& data) {
  RunStart start;
  if (!fs::exists(run) || (fs::is_directory(run) && fs::is_empty(run))) return start;
  if (!resume)
    throw bad_input(fmt::format("{} exists already", run.string()), "continue it with --resume, or choose another --out");
  start.checkpoint = newest_checkpoint(run);
  if (start.checkpoint.empty()) {
    // Killed before its first checkpoint, perhaps before recipe.toml was there.
    if (fs::exists(run / "recipe.toml")) check_same_recipe(recipe, run);
    return start;
  }
  check_same_recipe(recipe, run);
  start.state = verify_checkpoint(start.checkpoint);
  check_same_data(start.state, data, recipe, start.checkpoint);
  return start;
}

void warn_of_other_sums(const RunStart& start, const std::string& backend) {
  if (start.checkpoint.empty()) return;
  if (start.state.backend != backend)
    log_warning("{} was made with {}, this is {}: sums are rounded differently", start.checkpoint.string(), start.state.backend,
                backend);
  if (start.state.threads != compute_threads())
    log_warning("{} was made with {} threads, this is {}: sums are rounded differently", start.checkpoint.string(),
                start.state.threads, compute_threads());
}

std::unique_ptr<RunLog> open_run(const Recipe& recipe, const fs::path& run, int64_t step) {
  fs::create_directories(run / "checkpoints");
  auto log = std::make_unique<RunLog>(run / "log.jsonl", step);
  remove_partial_files(run);
  write_file(run / "recipe.toml", recipe_to_toml(recipe));
  return log;
}

}  // namespace spectra::train
