// SPDX-License-Identifier: Apache-2.0
// Which models no other of that size beats, by loss or by a benchmark's score.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "analysis/model_points.h"
#include "analysis/pareto.h"
#include "analysis/study_tables.h"
#include "base/error.h"
#include "cli/analyze.h"
#include "eval/metrics.h"

namespace spectra::cli {
namespace {

using analysis::Cell;
using analysis::Mean;
using analysis::Table;

/// A size of a kind: of a suite the mean over its seeds, so that a kind with more seeds has not more chances to be lucky.
struct Candidate {
  std::string name, kind;
  double parameters, bits;
  Mean value;
};

/// --score TASK or TASK:METRIC; without a metric acc_norm, else acc.
struct Score {
  std::string task;
  std::vector<std::string> metrics;
  bool higher_is_better;
};
Score parse_score(const std::string& text) {
  const size_t colon = text.find(':');
  if (colon == std::string::npos) return {text, {"acc_norm", "acc"}, true};
  const std::string metric = text.substr(colon + 1);
  const auto better = eval::better_direction(metric);
  if (!better || *better == eval::Better::kNeither) {
    std::string usable;
    for (const eval::Metric& one : eval::metrics())
      if (one.better != eval::Better::kNeither && usable.find(fmt::format("{},", one.name)) == std::string::npos)
        usable += fmt::format("{}, ", one.name);
    throw Error(Exit::kUsage,
                better ? fmt::format("--score {}: of {} neither the higher value nor the lower is the better one", text, metric)
                       : fmt::format("--score {}: there is no metric {}", text, metric),
                "a metric with a better and a worse: " + usable.substr(0, usable.size() - 2));
  }
  return {text.substr(0, colon), {metric}, *better == eval::Better::kHigher};
}

double value_of(const analysis::StudyModel& model, const Score& score) {
  const auto task = model.tasks.find(score.task);
  if (task == model.tasks.end()) return analysis::kUnknown;
  for (const std::string& metric : score.metrics)
    if (const auto found = task->second.find(metric); found != task->second.end()) return found->second.value;
  return analysis::kUnknown;
}

std::vector<Candidate> candidates_of(const analysis::Study& study, const analysis::Measure& measure) {
  std::vector<Candidate> candidates;
  for (const analysis::Kind& kind : analysis::kinds_of(study))
    for (const analysis::SizeGroup& group : analysis::by_size(study, kind, measure)) {
      const std::string name = analysis::kind_name(kind);
      candidates.push_back({fmt::format("{} {}", name, group.size), name, group.parameters, group.bits, group.mean});
    }
  return candidates;
}

std::vector<Candidate> candidates_of(const fs::path& file) {
  std::vector<Candidate> candidates;
  for (const analysis::ModelPoint& point : analysis::read_points(file))
    candidates.push_back({point.name, point.kind, point.parameters, point.size_bits, analysis::mean_of({point.loss})});
  return candidates;
}

/// Whether each candidate is on the front; "–" where its size is not known.
std::vector<Cell> marks(const std::vector<double>& sizes, const std::vector<double>& losses) {
  std::vector<Cell> cells;
  for (const double size : sizes) cells.push_back(std::isfinite(size) ? Cell("no") : Cell(analysis::kUnknown));
  for (const size_t i : analysis::pareto_front(sizes, losses)) cells[i] = Cell("yes");
  return cells;
}

}  // namespace

Tables analyze_pareto(const AnalyzeOptions& options) {
  const fs::path path = only_input(options, "a suite or a CSV file");
  const bool scores = !options.score.empty(), suite = analysis::is_study(path);
  if (scores && !suite)
    throw bad_input(fmt::format("--score {}: {} is not a suite", options.score, path.string()), "a CSV file has losses only");
  const Score score = parse_score(options.score);
  const analysis::Measure score_of = [&](const analysis::StudyModel& model) { return value_of(model, score); };
  const std::vector<Candidate> candidates =
      suite ? candidates_of(analysis::read_study(path), scores ? score_of : analysis::validation_loss) : candidates_of(path);
  if (candidates.empty())
    throw scores ? bad_input(fmt::format("{}: no model has the score {}", path.string(), options.score),
                             "TASK or TASK:METRIC, as in its results.json")
                 : bad_input(path.string() + ": no model has a loss", "a suite has losses once its models are evaluated");
  std::vector<double> parameters, bits, losses;
  for (const Candidate& one : candidates) {
    parameters.push_back(one.parameters), bits.push_back(one.bits);
    losses.push_back(scores && score.higher_is_better ? -one.value.mean : one.value.mean);
  }
  const std::vector<Cell> by_parameters = marks(parameters, losses), by_bits = marks(bits, losses);
  const std::string what = scores ? "score" : "loss";
  Table table{{"name", "kind", "parameters", "size_bits", "seeds", what, what + "_low", what + "_high", "best_by_parameters",
               "best_by_bits"},
              {}};
  for (size_t i = 0; i < candidates.size(); ++i) {
    const Candidate& one = candidates[i];
    table.rows.push_back({one.name, one.kind, one.parameters, one.bits, static_cast<double>(one.value.count), one.value.mean,
                          one.value.mean - one.value.margin, one.value.mean + one.value.margin, by_parameters[i], by_bits[i]});
  }
  return {{"models", table,
           fmt::format("{}best: no model of that size or less {}", suite ? "means over seeds; " : "",
                       !scores                  ? "does better"
                       : score.higher_is_better ? "scores higher"
                                                : "scores lower")}};
}

}  // namespace spectra::cli
