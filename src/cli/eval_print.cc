// SPDX-License-Identifier: Apache-2.0
// Prints the results of eval.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "cli/command.h"
#include "cli/eval.h"

namespace spectra::cli {
namespace {

using nlohmann::ordered_json;

ordered_json json_of(const eval::TaskResult& result, const eval::ScoreRow& row) {
  ordered_json json;
  for (const eval::Score& score : row.scores) {
    json[score.metric] = score.value;
    json[score.metric + "_stderr"] = score.stderr_value ? ordered_json(*score.stderr_value) : ordered_json();
  }
  json["n"] = row.documents;
  for (const eval::Score& score : row.scores) json["counted"][score.metric] = score.documents;
  json["fewshot"] = result.fewshot;
  return json;
}

void print_table(const std::vector<eval::TaskResult>& results) {
  size_t width = 44;
  for (const eval::TaskResult& result : results)
    for (const eval::ScoreRow& row : result.rows) width = std::max(width, row.name.size() + 2 * static_cast<size_t>(row.depth));
  fmt::print("{:<{}}{:>8}  {:<18}{:>12}{:>14}\n", "task", width, "n", "metric", "value", "stderr");
  for (const eval::TaskResult& result : results)
    for (const eval::ScoreRow& row : result.rows)
      for (const eval::Score& score : row.scores) {
        const bool first = &score == &row.scores.front();
        const std::string name = std::string(2 * static_cast<size_t>(row.depth), ' ') + row.name;
        fmt::print("{:<{}}{:>8}  {:<18}{:>12}{:>14}\n", first ? name : "", width, score.documents, score.metric,
                   std::isnan(score.value) ? "-" : fmt::format("{:.4f}", score.value),
                   score.stderr_value ? fmt::format("± {:.4f}", *score.stderr_value) : "");
      }
}

}  // namespace

void print_requests(const EvalArguments& a, const std::vector<eval::TaskResult>& results) {
  ordered_json tasks = ordered_json::object();
  int64_t all = 0;
  for (const eval::TaskResult& result : results) {
    int64_t requests = 0;
    for (const eval::Document& document : result.documents) requests += static_cast<int64_t>(document.requests.size());
    tasks[result.name] = {{"documents", result.documents.size()}, {"requests", requests}};
    all += requests;
  }
  if (global().json)
    print_json(ordered_json{{"schema", "spectra.eval_requests/1"}, {"file", a.dump_requests}, {"tasks", tasks}}.dump());
  else
    fmt::print("{}: {} requests written\n", a.dump_requests, all);
}

void print_scores(const EvalArguments& a, const LoadedModel& model, const std::vector<eval::TaskResult>& results,
                  double start_seconds) {
  const bool paper = ("," + a.tasks + ",").find(",spectra,") != std::string::npos;
  const std::string tables = paper ? paper_tables(results) : "";
  if (!global().json) {
    print_table(results);
    if (!tables.empty())
      fmt::print("\nPer cent, as in the paper's tables (LAMBADA ppl: perplexity; CrowS diff: nats times 100):\n\n{}", tables);
    return;
  }
  ordered_json tasks = ordered_json::object();
  for (const eval::TaskResult& result : results)
    for (const eval::ScoreRow& row : result.rows) tasks[row.name] = json_of(result, row);
  ordered_json speed = ordered_json::object();
  for (const eval::TaskResult& result : results)
    speed[result.name] = {{"documents", static_cast<int64_t>(result.documents.size()) - result.reused},
                          {"seconds", result.seconds},
                          {"computed_tokens", result.computed_tokens},
                          {"request_tokens", result.request_tokens}};
  print_json(ordered_json{
      {"schema", "spectra.eval/1"},
      {"model", a.predictor.empty() ? a.model : a.predictor},
      {"activations", activations_of(a, model)},
      {"kv", a.engine.kv},
      {"head", a.engine.head},
      {"start_seconds", start_seconds},
      {"speed", speed},
      {"tasks",
       tasks}}.dump());
}

}  // namespace spectra::cli
