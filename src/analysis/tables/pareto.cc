// SPDX-License-Identifier: Apache-2.0
// Which models no other of that size beats, by loss or by a benchmark's score.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "analysis/pareto.h"
#include "analysis/study_tables.h"
#include "analysis/tables/tables.h"
#include "base/error.h"
#include "eval/metrics.h"

namespace spectra::analysis {
namespace {

/// A point that may be on the front. Of a suite it is the mean over the seeds of a size, so that a kind with more seeds has not
/// more chances to be lucky.
struct Candidate {
  std::string name, kind;
  double parameters, bits;
  Mean value;
};

double value_of(const StudyModel& model, const BenchmarkScore& score) {
  const auto task = model.tasks.find(score.task);
  if (task == model.tasks.end()) return kUnknown;
  for (const std::string& metric : score.metrics)
    if (const auto found = task->second.find(metric); found != task->second.end()) return found->second.value;
  return kUnknown;
}

std::vector<Candidate> candidates_of(const Study& study, const Measure& measure) {
  std::vector<Candidate> candidates;
  for (const Kind& kind : kinds_of(study))
    for (const SizeGroup& group : by_size(study, kind, measure)) {
      const std::string name = kind_name(kind);
      candidates.push_back({fmt::format("{} {}", name, group.size), name, group.parameters, group.bits, group.mean});
    }
  return candidates;
}

std::vector<Candidate> candidates_of(const std::vector<ModelPoint>& points) {
  std::vector<Candidate> candidates;
  for (const ModelPoint& point : points)
    candidates.push_back({point.name, point.kind, point.parameters, point.size_bits, mean_of({point.loss})});
  return candidates;
}

/// Says of each candidate whether it is on the front; "–" where its size is not known.
std::vector<Cell> marks(const std::vector<double>& sizes, const std::vector<double>& losses) {
  std::vector<Cell> cells;
  for (const double size : sizes) cells.push_back(std::isfinite(size) ? Cell("no") : Cell(kUnknown));
  for (const size_t i : pareto_front(sizes, losses)) cells[i] = Cell("yes");
  return cells;
}

/// `what` names the value of each candidate: "loss" or "score".
Table candidates_table(const std::vector<Candidate>& candidates, const std::string& what, bool higher_is_better) {
  std::vector<double> parameters, bits, losses;
  for (const Candidate& one : candidates) {
    parameters.push_back(one.parameters), bits.push_back(one.bits);
    losses.push_back(higher_is_better ? -one.value.mean : one.value.mean);
  }
  const std::vector<Cell> by_parameters = marks(parameters, losses), by_bits = marks(bits, losses);
  Table table{{"name", "kind", "parameters", "size_bits", "seeds", what, what + "_low", what + "_high", "best_by_parameters",
               "best_by_bits"},
              {}};
  for (size_t i = 0; i < candidates.size(); ++i) {
    const Candidate& one = candidates[i];
    table.rows.push_back({one.name, one.kind, one.parameters, one.bits, static_cast<double>(one.value.count), one.value.mean,
                          one.value.mean - one.value.margin, one.value.mean + one.value.margin, by_parameters[i], by_bits[i]});
  }
  return table;
}

Error no_losses(const std::string& where) {
  return bad_input(where + ": no model has a loss", "a suite has losses once its models are evaluated");
}

}  // namespace

BenchmarkScore parse_benchmark_score(const std::string& text) {
  const size_t colon = text.find(':');
  if (colon == std::string::npos) return {text, text, {"acc_norm", "acc"}, true};
  const std::string metric = text.substr(colon + 1);
  const auto better = eval::better_direction(metric);
  if (!better || *better == eval::Better::kNeither) {
    std::string usable;
    for (const eval::Metric& one : eval::metrics())
      if (one.better != eval::Better::kNeither && usable.find(fmt::format("{},", one.name)) == std::string::npos)
        usable += fmt::format("{}, ", one.name);
    throw Error(Exit::kUsage,
                better ? fmt::format("score {}: of {} neither the higher value nor the lower is the better one", text, metric)
                       : fmt::format("score {}: there is no metric {}", text, metric),
                "a metric with a better and a worse: " + usable.substr(0, usable.size() - 2));
  }
  return {text, text.substr(0, colon), {metric}, *better == eval::Better::kHigher};
}

Tables pareto_tables(const Study& study, const BenchmarkScore* score, const std::string& where) {
  if (score == nullptr) {
    const std::vector<Candidate> candidates = candidates_of(study, validation_loss);
    if (candidates.empty()) throw no_losses(where);
    return {{"models", candidates_table(candidates, "loss", false),
             "means over seeds; best: no model of that size or less does better"}};
  }
  const std::vector<Candidate> candidates = candidates_of(study, [&](const StudyModel& model) { return value_of(model, *score); });
  if (candidates.empty())
    throw bad_input(fmt::format("{}: no model has the score {}", where, score->name),
                    "TASK or TASK:METRIC, as in its results.json");
  return {{"models", candidates_table(candidates, "score", score->higher_is_better),
           fmt::format("means over seeds; best: no model of that size or less scores {}",
                       score->higher_is_better ? "higher" : "lower")}};
}

Tables pareto_tables(const std::vector<ModelPoint>& points, const std::string& where) {
  const std::vector<Candidate> candidates = candidates_of(points);
  if (candidates.empty()) throw no_losses(where);
  return {{"models", candidates_table(candidates, "loss", false), "best: no model of that size or less does better"}};
}

}  // namespace spectra::analysis
