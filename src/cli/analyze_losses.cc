// SPDX-License-Identifier: Apache-2.0
// Losses and scores over sizes: Pareto fronts, bias columns, the paper's tables.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "analysis/bias_table.h"
#include "analysis/model_points.h"
#include "analysis/paper_tables.h"
#include "analysis/pareto.h"
#include "analysis/study_tables.h"
#include "base/error.h"
#include "cli/analyze.h"

namespace spectra::cli {
namespace {

using analysis::ModelPoint;
using analysis::Table;

/// value of TASK:METRIC; without a metric acc_norm, else acc.
double score_of(const analysis::StudyModel& model, const std::string& score) {
  const size_t colon = score.find(':');
  const auto task = model.tasks.find(score.substr(0, colon));
  if (task == model.tasks.end()) return analysis::kUnknown;
  std::vector<std::string> metrics = {"acc_norm", "acc"};
  if (colon != std::string::npos) metrics = {score.substr(colon + 1)};
  for (const std::string& metric : metrics)
    if (const auto found = task->second.find(metric); found != task->second.end()) return found->second.value;
  return analysis::kUnknown;
}

/// Scores of a suite's models in the place of losses.
std::vector<ModelPoint> read_scores(const std::string& path, const std::string& score) {
  if (!analysis::is_study(path))
    throw bad_input(fmt::format("--score {}: {} is not a suite", score, path), "a CSV file has losses only");
  std::vector<ModelPoint> points;
  for (const analysis::StudyModel& model : analysis::read_study(path).models)
    if (const double value = score_of(model, score); model.arm.empty() && std::isfinite(value))
      points.push_back(
          {model.name, analysis::kind_name(analysis::kind_of(model)), model.parameters, model.size_bits, model.tokens, value});
  if (points.empty())
    throw bad_input(fmt::format("{}: no model has the score {}", path, score), "TASK or TASK:METRIC, as in its results.json");
  return points;
}

}  // namespace

Tables analyze_pareto(const AnalyzeOptions& options) {
  const std::string& path = only_input(options, "a suite or a CSV file");
  const bool scores = !options.score.empty();
  const std::vector<ModelPoint> points = scores ? read_scores(path, options.score) : analysis::read_points(path);
  std::vector<double> parameters, bits, loss;
  for (const ModelPoint& point : points)
    parameters.push_back(point.parameters), bits.push_back(point.size_bits), loss.push_back(scores ? -point.loss : point.loss);
  const std::vector<size_t> by_parameters = analysis::pareto_front(parameters, loss), by_bits = analysis::pareto_front(bits, loss);
  const auto mark = [](const std::vector<size_t>& front, size_t i) {
    return std::find(front.begin(), front.end(), i) != front.end() ? "yes" : "no";
  };
  Table table{{"name", "kind", "parameters", "size_bits", scores ? "score" : "loss", "best_by_parameters", "best_by_bits"}, {}};
  for (size_t i = 0; i < points.size(); ++i)
    table.rows.push_back({points[i].name, points[i].kind, points[i].parameters, points[i].size_bits, points[i].loss,
                          mark(by_parameters, i), mark(by_bits, i)});
  return {{"models", table, "best: no model of that size or less does better"}};
}

Tables analyze_bias(const AnalyzeOptions& options) {
  const Table table = analysis::bias_table(analysis::read_study(only_input(options, "a suite's directory")));
  if (table.rows.empty())
    throw bad_input(fmt::format("{}: no model was evaluated on crows_pairs_english, toxigen, bbq or truthfulqa", options.inputs[0]),
                    "name them in the suite's evaluation tasks");
  return {{"bias", table, "per cent; the likelihood difference in nats"}};
}

Tables analyze_paper(const AnalyzeOptions& options) {
  if (options.inputs.empty()) {
    Table list{{"table", "title"}, {}};
    for (const analysis::PaperTable& table : analysis::paper_tables()) list.rows.push_back({table.name, table.title});
    return {{"tables", list, "`spectra analyze paper TABLE` prints one"}};
  }
  const analysis::PaperTable& table = analysis::paper_table(only_input(options, "the name of one table"));
  return {{table.name, table.table, table.title}};
}

}  // namespace spectra::cli
