// SPDX-License-Identifier: Apache-2.0
// Losses over sizes: scaling laws, Pareto fronts, bias columns, the paper's tables.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "analysis/bias_table.h"
#include "analysis/model_points.h"
#include "analysis/paper_tables.h"
#include "analysis/pareto.h"
#include "analysis/scaling_law.h"
#include "analysis/study_tables.h"
#include "base/error.h"
#include "cli/analyze.h"

namespace spectra::cli {
namespace {

using analysis::Cell;
using analysis::Interval;
using analysis::ModelPoint;
using analysis::ScalingFit;
using analysis::Table;

constexpr uint64_t kBootstrapSeed = 1;

struct KindFit {
  std::string kind;
  ScalingFit fit;
};

struct Columns {
  std::vector<double> parameters, tokens, loss;
};
Columns columns_of(const std::vector<ModelPoint>& points, const std::string& kind) {
  Columns columns;
  for (const ModelPoint& point : points)
    if (point.kind == kind)
      columns.parameters.push_back(point.parameters), columns.tokens.push_back(point.tokens), columns.loss.push_back(point.loss);
  return columns;
}

size_t different(const std::vector<double>& values) {
  size_t finite = 0;
  for (const double value : std::set<double>(values.begin(), values.end())) finite += std::isfinite(value);
  return finite;
}

void add(std::vector<Cell>& row, double value, const Interval& interval) {
  row.insert(row.end(), {Cell(value), Cell(interval.low), Cell(interval.high)});
}

ScalingFit fit_kind(const AnalyzeOptions& options, const Columns& columns) {
  ScalingFit fit = analysis::fit_scaling_law(columns.parameters, columns.loss, !options.pure);
  if (options.bootstrap > 0) {
    const auto intervals = analysis::bootstrap_scaling_law(fit, columns.parameters, columns.loss, !options.pure,
                                                           static_cast<int>(options.bootstrap), kBootstrapSeed);
    fit.a_interval = intervals.a, fit.alpha_interval = intervals.alpha, fit.offset_interval = intervals.offset;
  }
  return fit;
}

Table gap_table(const std::vector<KindFit>& fits, const std::vector<double>& percents) {
  Table table{{"kind", "base", "percent", "parameters", "limit_percent"}, {}};
  const auto base = std::find_if(fits.begin(), fits.end(), [](const KindFit& one) { return one.kind == "FloatLM"; });
  if (base == fits.end()) return table;
  for (const KindFit& one : fits)
    for (const double percent : percents)
      if (one.kind != base->kind)
        table.rows.push_back({one.kind, base->kind, percent, analysis::size_at_gap(one.fit, base->fit, percent),
                              analysis::limiting_gap_percent(one.fit, base->fit)});
  return table;
}

/// L(N, D), for the kinds whose models saw different numbers of tokens.
Table token_table(const std::vector<ModelPoint>& points) {
  Table table{{"kind", "points", "a", "a_low", "a_high", "alpha", "alpha_low", "alpha_high", "b", "b_low", "b_high", "beta",
               "beta_low", "beta_high", "offset", "offset_low", "offset_high", "rms"},
              {}};
  for (const std::string& kind : analysis::kinds_of(points)) {
    const Columns columns = columns_of(points, kind);
    if (columns.loss.size() < 5 || different(columns.tokens) < 3 || different(columns.parameters) < 3) continue;
    const analysis::DataScalingFit fit = analysis::fit_data_scaling_law(columns.parameters, columns.tokens, columns.loss);
    std::vector<Cell> row = {kind, static_cast<double>(columns.loss.size())};
    add(row, fit.a, fit.a_interval);
    add(row, fit.alpha, fit.alpha_interval);
    add(row, fit.b, fit.b_interval);
    add(row, fit.beta, fit.beta_interval);
    add(row, fit.offset, fit.offset_interval);
    row.push_back(fit.rms);
    table.rows.push_back(row);
  }
  return table;
}

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

Tables analyze_scaling(const AnalyzeOptions& options) {
  const std::vector<ModelPoint> points = analysis::read_points(only_input(options, "a suite or a CSV file"));
  if (options.bootstrap < 0 || options.bootstrap > 100000)
    throw Error(Exit::kUsage, fmt::format("--bootstrap {} is out of range", options.bootstrap), "0 to 100000 resamples");
  const std::vector<double> percents = number_list(options.gaps, "--gaps");
  Table table{
      {"kind", "points", "a", "a_low", "a_high", "alpha", "alpha_low", "alpha_high", "offset", "offset_low", "offset_high", "rms"},
      {}};
  std::vector<KindFit> fits;
  std::string left_out;
  for (const std::string& kind : analysis::kinds_of(points)) {
    const Columns columns = columns_of(points, kind);
    if (different(columns.parameters) < (options.pure ? 2u : 3u)) {
      left_out += (left_out.empty() ? "" : ", ") + kind;
      continue;
    }
    fits.push_back({kind, fit_kind(options, columns)});
    const ScalingFit& fit = fits.back().fit;
    std::vector<Cell> row = {kind, static_cast<double>(columns.loss.size())};
    add(row, fit.a, fit.a_interval);
    add(row, fit.alpha, fit.alpha_interval);
    add(row, fit.offset, fit.offset_interval);
    row.push_back(fit.rms);
    table.rows.push_back(row);
  }
  if (fits.empty())
    throw bad_input(fmt::format("{}: no kind of model has enough sizes", options.inputs[0]),
                    "a fit needs three sizes, with --pure two");
  Tables tables = {
      {"fits", table,
       fmt::format("loss = a / parameters^alpha{}, 95 % intervals by {}{}", options.pure ? "" : " + offset",
                   options.bootstrap > 0 ? "bootstrap" : "profile", left_out.empty() ? "" : "; too few sizes: " + left_out)}};
  if (const Table gaps = gap_table(fits, percents); !gaps.rows.empty())
    tables.push_back(
        {"gaps", gaps, "size from which on a kind's loss is at most so many per cent above FloatLM's, and what the gap tends to"});
  if (const Table tokens = token_table(points); !tokens.rows.empty())
    tables.push_back({"tokens", tokens, "loss = a / parameters^alpha + b / tokens^beta + offset"});
  return tables;
}

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
