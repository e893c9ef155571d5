// SPDX-License-Identifier: Apache-2.0
#include "analysis/run.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <sstream>

#include "base/error.h"
#include "format/model_directory.h"
#include "train/recipe.h"
#include "train/schedule.h"

namespace spectra::analysis {
namespace {

LogPoint parse_point(const nlohmann::json& line) {
  const auto value = [&](const char* key) {
    const auto found = line.find(key);
    return found != line.end() && found->is_number() ? found->get<double>() : LogPoint::kAbsent;
  };
  LogPoint point;
  point.step = line.at("step").get<int64_t>();
  point.tokens = line.at("tokens").get<double>();
  point.loss = value("loss");
  point.validation_loss = value("validation_loss");
  point.lr = value("lr");
  point.weight_decay = value("weight_decay");
  point.grad_norm = value("grad_norm");
  point.tokens_per_second = value("tokens_per_second");
  point.zero_fraction = value("zero_fraction");
  point.flip_fraction = value("flip_fraction");
  point.mfu = value("mfu");
  point.memory_bytes = value("memory_bytes");
  point.loss_scale = value("loss_scale");
  point.skipped = line.value("skipped", "");
  if (line.contains("rewound_to")) point.skipped += fmt::format(", back to step {}", line["rewound_to"].get<int64_t>());
  return point;
}

/// Calls `visit` with every line of a .jsonl file.
void read_lines(const fs::path& path, const std::function<void(const nlohmann::json&)>& visit) {
  std::istringstream in(read_file(path));
  int number = 0;
  for (std::string line; std::getline(in, line);) {
    ++number;
    if (line.empty()) continue;
    try {
      visit(nlohmann::json::parse(line));
    } catch (const nlohmann::json::exception&) {
      if (in.peek() == std::char_traits<char>::eof()) break;  // the last line of a run that is being written or was killed
      throw bad_input(fmt::format("{} line {} is damaged", path.string(), number),
                      "remove the line, or resume the run, which mends it");
    }
  }
}

LayerPoint parse_layers(const nlohmann::json& line, size_t layers) {
  LayerPoint point;
  point.scale.resize(layers), point.near_fraction.resize(layers), point.distance.resize(layers);
  std::vector<double> matrices(layers);
  for (const nlohmann::json& matrix : line.at("layers")) {
    const std::optional<model::Place> place = model::place_from_name(matrix.at("name").get<std::string>());
    if (!place || place->layer < 0 || place->layer >= static_cast<int64_t>(layers)) continue;
    const auto layer = static_cast<size_t>(place->layer);
    const auto scales = matrix.at("scales").get<std::vector<double>>();
    ++matrices[layer];
    for (const double scale : scales) point.scale[layer] += scale / static_cast<double>(scales.size());
    point.near_fraction[layer] += matrix.at("near_fraction").get<double>();
    point.distance[layer] += matrix.at("distance").get<double>();
  }
  for (auto* values : {&point.scale, &point.near_fraction, &point.distance})
    for (size_t layer = 0; layer < layers; ++layer)
      (*values)[layer] = matrices[layer] > 0 ? (*values)[layer] / matrices[layer] : LogPoint::kAbsent;
  return point;
}

/// layers.jsonl, where there is one; lines of steps that the log does not have are left out.
void read_layers(TrainingRun& run) {
  if (!fs::exists(run.path / "layers.jsonl")) return;
  std::map<int64_t, double> tokens;
  for (const LogPoint& point : run.log) tokens[point.step] = point.tokens;
  read_lines(run.path / "layers.jsonl", [&](const nlohmann::json& line) {
    const auto found = tokens.find(line.at("step").get<int64_t>());
    if (found == tokens.end()) return;
    run.layers.push_back(parse_layers(line, static_cast<size_t>(run.config.layers)));
    run.layers.back().tokens = found->second;
  });
}

fs::path newest_checkpoint(const fs::path& run) {
  std::vector<fs::path> all;
  if (fs::is_directory(run / "checkpoints"))
    for (const auto& entry : fs::directory_iterator(run / "checkpoints"))
      if (entry.path().filename().string().rfind("step-", 0) == 0) all.push_back(entry.path());
  return all.empty() ? fs::path() : *std::max_element(all.begin(), all.end());
}

/// The tokens after the first step whose position in the schedule is at `fraction` of the run; NaN where the log is not there yet.
double step_at(const train::Recipe& recipe, double fraction, const TrainingRun& run) {
  const double position = fraction * static_cast<double>(recipe.tokens);
  int64_t step = std::max<int64_t>(1, static_cast<int64_t>(position / static_cast<double>(recipe.batch_tokens)));
  while (train::schedule_position(recipe, step) < position) ++step;
  const double tokens = static_cast<double>(step * recipe.batch_tokens);
  return tokens <= run.log.back().tokens ? tokens : LogPoint::kAbsent;
}

/// Reads them from the recipe that `spectra train` keeps in the run. False where there is none that this version reads.
bool interventions_of_recipe(TrainingRun& run) {
  if (!fs::exists(run.path / "recipe.toml")) return false;
  train::Recipe recipe;
  try {
    recipe = train::parse_recipe(read_file(run.path / "recipe.toml"), (run.path / "recipe.toml").string());
  } catch (const Error&) {
    return false;
  }
  if (recipe.lr_drop_at < 1 && recipe.lr_second < recipe.lr) run.lr_drop_at = step_at(recipe, recipe.lr_drop_at, run);
  if (recipe.decay_off_at < 1 && recipe.weight_decay > 0) run.decay_off_at = step_at(recipe, recipe.decay_off_at, run);
  return true;
}

/// Finds them in the log: a drop by more than 15 %, as exactly as the distance of its lines allows.
void find_interventions(TrainingRun& run) {
  for (size_t i = 1; i < run.log.size(); ++i) {
    const LogPoint &before = run.log[i - 1], &now = run.log[i];
    // A drop is a step out of line with the next one; a decay to zero also ends in large ratios, but ever larger ones.
    if (std::isnan(run.lr_drop_at) && i + 1 < run.log.size() && now.lr * now.lr < 0.85 * before.lr * run.log[i + 1].lr)
      run.lr_drop_at = now.tokens;
    if (std::isnan(run.decay_off_at) && now.weight_decay == 0 && before.weight_decay > 0) run.decay_off_at = now.tokens;
  }
}

}  // namespace

double bits_per_weight(model::Family family) {
  switch (family) {
    case model::Family::kFloat:
      return 16;
    case model::Family::kTernary:
      return 1.58;
    case model::Family::kBinary:
      return 1;
  }
  return 16;
}

TrainingRun read_run(const fs::path& path) {
  if (!fs::exists(path / "log.jsonl"))
    throw bad_input(fmt::format("{} is not a run directory: it has no log.jsonl", path.string()),
                    "give the directory that `spectra train --out` made");
  TrainingRun run;
  run.path = path;
  run.name = fs::absolute(path).lexically_normal().filename().string();
  if (run.name.empty()) run.name = fs::absolute(path).lexically_normal().parent_path().filename().string();
  read_lines(path / "log.jsonl", [&](const nlohmann::json& line) { run.log.push_back(parse_point(line)); });
  if (run.log.empty()) throw bad_input(fmt::format("{} has an empty log", path.string()), "wait until the run has made a step");
  run.checkpoint = newest_checkpoint(path);
  if (run.checkpoint.empty())
    throw bad_input(fmt::format("{} has no checkpoint yet", path.string()),
                    "wait for the first one (checkpoint.every in its recipe)");
  const format::ModelDirectory model(run.checkpoint);
  run.config = model::config_from_json(model.config_json(), (run.checkpoint / "config.json").string());
  run.parameters = static_cast<double>(model::count_parameters(run.config).total());
  run.bits = model::size_in_bits(run.config, bits_per_weight(run.config.family), run.config.vocab);
  for (const LogPoint& point : run.log)
    if (!std::isnan(point.validation_loss)) run.validation_loss = point.validation_loss;
  if (!interventions_of_recipe(run)) find_interventions(run);
  read_layers(run);
  return run;
}

}  // namespace spectra::analysis
