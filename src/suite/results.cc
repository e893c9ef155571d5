// SPDX-License-Identifier: Apache-2.0
#include "suite/results.h"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>

#include "base/shell.h"
#include "base/system.h"
#include "base/version.h"
#include "format/token_data.h"

namespace spectra::suite {
namespace {

using nlohmann::ordered_json;

constexpr const char* kSchema = "spectra.suite/1";
constexpr int64_t kFewestSteps = 20;

uint64_t weight_bytes(const fs::path& model) {
  uint64_t bytes = 0;
  if (fs::is_directory(model))
    for (const auto& entry : fs::directory_iterator(model))
      if (entry.path().extension() == ".safetensors" && entry.path().filename() != "trainer.safetensors")
        bytes += entry.file_size();
  return bytes;
}

ordered_json result_of(const Progress& progress, size_t job) {
  if (job == kNoJob || !progress.records[job]) return nullptr;
  return ordered_json::parse(progress.records[job]->result, nullptr, false);
}

/// {"task": {"metric": value, "metric_stderr": value, "n": N}}, as `spectra eval` prints them.
ordered_json tasks_of(const ordered_json& result) {
  return result.is_object() && result.contains("tasks") ? result["tasks"] : ordered_json::object();
}

/// As it is there: a tokenizer may find fewer entries than it was asked for, and the model's vocabulary is then smaller.
model::Config config_of(const PlannedModel& m, const fs::path& directory) {
  const fs::path file = directory / m.model / "config.json";
  if (!fs::exists(file)) return m.config;
  model::Config config = m.config;
  config.vocab = model::config_from_json(read_file(file, 1 << 20), file.string()).vocab;
  return config;
}

ordered_json model_json(const PlannedModel& m, const fs::path& directory, const Progress& progress) {
  const model::Config config = config_of(m, directory);
  const model::ParameterCount count = model::count_parameters(config);
  const ordered_json validation = result_of(progress, m.validated_by);
  const bool validated = validation.is_object(), packed = !result_of(progress, m.packed_by).is_null();
  const fs::path stored = packed ? fs::path("packed") / m.name : m.model;
  const auto loss = progress.training_losses.find(m.name);
  ordered_json texts = ordered_json::object();
  for (const auto& text : m.texts_by)
    if (const ordered_json r = result_of(progress, text.second); r.is_object())
      texts[text.first] = {{"nll", r["nll"]}, {"perplexity", r["perplexity"]}, {"tokens", r["tokens"]}};
  return {{"name", m.name},
          {"family", model::family_name(m.config.family)},
          {"quantized_bits", m.quantized_bits},
          {"size", m.size},
          {"arm", m.arm},
          {"seed", m.seed},
          {"shards", m.config.shards},
          {"parameters", count.total()},
          {"linear_parameters", count.linear},
          {"bits_per_weight", m.bits_per_weight},
          {"size_bits", counted_bits(config, m.bits_per_weight)},
          {"disk_bytes", weight_bytes(directory / stored)},
          {"tokens", m.tokens},
          {"model", m.model.string()},
          {"packed", packed ? ordered_json(stored.string()) : ordered_json()},
          {"run", m.run.empty() ? ordered_json() : ordered_json(m.run.string())},
          {"parent", m.parent.empty() ? ordered_json() : ordered_json(m.parent)},
          {"training_loss", loss == progress.training_losses.end() ? ordered_json() : ordered_json(loss->second)},
          {"validation_loss", validated ? validation["nll"] : ordered_json()},
          {"validation_tokens", validated ? validation["tokens"] : ordered_json()},
          {"tasks", tasks_of(result_of(progress, m.tasks_by))},
          {"texts", texts}};
}

/// The token data, once it is there.
ordered_json data_json(const Plan& plan, const fs::path& directory) {
  const fs::path path = directory / plan.data;
  if (!format::TokenData::recognize(path)) return ordered_json::array();
  const format::TokenData data(path);
  const auto tokens = [&](const char* split) { return data.has(split) ? data.split(split).size() : uint64_t{0}; };
  return {{{"path", plan.data},
           {"vocab", data.info().vocab},
           {"train_tokens", tokens("train")},
           {"valid_tokens", tokens("valid")},
           {"sha256", data.sha256()}}};
}

/// What was written before; an empty object where nothing was, or something else.
ordered_json earlier_results(const fs::path& directory) {
  const fs::path path = directory / "results.json";
  const auto json = fs::exists(path) ? ordered_json::parse(read_file(path), nullptr, false) : ordered_json::object();
  const bool ours = json.is_object() && json.contains("schema") && json["schema"] == kSchema;
  const auto is_text = [&](const char* key) { return json.contains(key) && json[key].is_string(); };
  const bool whole = ours && is_text("name") && is_text("started") && json.contains("seconds") && json["seconds"].is_number();
  return whole ? json : ordered_json::object();
}

}  // namespace

const char* state_name(State state) {
  static const char* const kNames[] = {"waiting", "running", "done", "failed"};
  return kNames[static_cast<size_t>(state)];
}

std::optional<double> training_loss(const fs::path& log) {
  std::ifstream in(log);
  std::vector<double> losses;
  for (std::string line; std::getline(in, line);) {
    const auto json = ordered_json::parse(line, nullptr, false);
    if (json.is_object() && json.contains("loss") && json["loss"].is_number()) losses.push_back(json["loss"].get<double>());
  }
  if (losses.empty()) return std::nullopt;
  const auto count = std::min<size_t>(losses.size(), std::max<size_t>(kFewestSteps, losses.size() / 100));
  double sum = 0;
  for (size_t i = losses.size() - count; i < losses.size(); ++i) sum += losses[i];
  return sum / static_cast<double>(count);
}

std::string results_json(const Suite& suite, const Plan& plan, const fs::path& directory, const Progress& progress) {
  ordered_json jobs = ordered_json::array(), models = ordered_json::array();
  for (size_t i = 0; i < plan.jobs.size(); ++i) {
    jobs.push_back({{"name", plan.jobs[i].name},
                    {"kind", job_kind_name(plan.jobs[i].kind)},
                    {"state", state_name(progress.states[i])},
                    {"seconds", progress.records[i] ? ordered_json(progress.records[i]->seconds) : ordered_json()},
                    {"flops", plan.jobs[i].flops},
                    {"command", "spectra " + shell_words(plan.arguments(plan.jobs[i]))}});
  }
  for (const PlannedModel& m : plan.models)
    if (progress.records[m.made_by]) models.push_back(model_json(m, directory, progress));
  // The page is made of this file: it is not waited for.
  const bool finished = std::all_of(progress.states.begin(), progress.states.end() - 1, [](State s) { return s == State::kDone; });
  return ordered_json{{"schema", kSchema},
                      {"name", suite.name},
                      {"title", suite.title},
                      {"suite_sha256", suite.sha256},
                      {"version", tool_version()},
                      {"machine", fmt::format("{}, {} cores", cpu_name(), cpu_count())},
                      {"started", progress.started},
                      {"seconds", progress.seconds},
                      {"finished", finished},
                      {"command", progress.command},
                      {"data", data_json(plan, directory)},
                      {"jobs", jobs},
                      {"models", models}}
             .dump(1) +
         "\n";
}

std::string earlier_name(const fs::path& directory) { return earlier_results(directory).value("name", ""); }

std::pair<std::string, double> earlier_time(const fs::path& directory) {
  const ordered_json results = earlier_results(directory);
  return {results.value("started", ""), results.value("seconds", 0.0)};
}

}  // namespace spectra::suite
