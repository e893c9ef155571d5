// SPDX-License-Identifier: Apache-2.0
// Benchmark scores of a study: means over tasks beside the paper's, every task by itself, and what the bias tasks say.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "analysis/paper.h"
#include "analysis/report/sections.h"

namespace spectra::analysis {
namespace {

/// A task, the metric that speaks for it, and what a guess reaches (per cent; NaN = no simple number).
struct Task {
  std::string name, metric;
  double chance = kUnknown;
};

const std::vector<Task>& paper_tasks() {
  static const std::vector<Task> tasks = {{"arc_challenge", "acc_norm"}, {"arc_easy", "acc_norm"}, {"boolq", "acc"},
                                          {"hellaswag", "acc_norm"},     {"piqa", "acc_norm"},     {"winogrande", "acc"}};
  return tasks;
}

double chance_of(const std::string& task) {
  static const std::map<std::string, double> chances = {
      {"arc_challenge", 25}, {"arc_easy", 25}, {"hellaswag", 25}, {"piqa", 50}, {"winogrande", 50},
      {"boolq", 50},         {"sciq", 25},     {"logiqa", 25},    {"mmlu", 25}, {"mmlu_continuation", 25},
      {"bbq", 33.3}};
  const auto found = chances.find(task);
  return found == chances.end() ? kUnknown : found->second;
}

const std::set<std::string>& bias_tasks() {
  static const std::set<std::string> tasks = {"crows_pairs_english", "toxigen", "bbq", "truthfulqa_mc1", "truthfulqa_mc2"};
  return tasks;
}

/// The mean over tasks in per cent; NaN unless the model has them all.
double score_of(const StudyModel& model, const std::vector<Task>& tasks) {
  double sum = 0;
  for (const Task& task : tasks) {
    const auto scores = model.tasks.find(task.name);
    if (scores == model.tasks.end() || scores->second.count(task.metric) == 0) return kUnknown;
    sum += 100 * scores->second.at(task.metric).value;
  }
  return tasks.empty() ? kUnknown : sum / static_cast<double>(tasks.size());
}

/// Tasks with an accuracy, parts of a task aside ("mmlu_continuation_stem" beside "mmlu_continuation").
std::vector<Task> tasks_of(const Study& study, bool bias) {
  std::map<std::string, std::set<std::string>> metrics;
  for (const StudyModel& model : study.models)
    for (const auto& task : model.tasks)
      for (const auto& score : task.second) metrics[task.first].insert(score.first);
  std::vector<Task> tasks;
  for (const auto& entry : metrics) {
    const bool is_bias = bias_tasks().count(entry.first) > 0;
    const bool is_part = std::any_of(metrics.begin(), metrics.end(), [&](const auto& whole) {
      return entry.first.size() > whole.first.size() && entry.first.compare(0, whole.first.size() + 1, whole.first + "_") == 0;
    });
    if (is_bias != bias || is_part) continue;
    for (const char* metric : {"pct_stereotype", "acc_norm", "acc", "exact_match"})
      if (entry.second.count(metric) > 0) {
        tasks.push_back({entry.first, metric, std::string(metric) == "pct_stereotype" ? 50 : chance_of(entry.first)});
        break;
      }
  }
  return tasks;
}

/// Means joined by lines, one a kind.
Chart chart_of(const Study& study, const std::vector<Task>& tasks, double SizeGroup::*x, const std::vector<Kind>& kinds) {
  Chart chart{"", x == &SizeGroup::bits ? "size in bits, as the paper counts" : "parameters", "per cent", {}};
  chart.log_x = true;
  for (const Kind& kind : kinds) {
    const std::vector<SizeGroup> groups = by_size(study, kind, [&](const StudyModel& model) { return score_of(model, tasks); });
    if (groups.empty()) continue;
    Series points = points_of(kind, groups, x), line = points;
    line.points = line.hover = false;
    line.low.clear(), line.high.clear();
    points.named = false;
    chart.series.push_back(line);
    chart.series.push_back(points);
  }
  return chart;
}

/// The paper's values at its sizes, pale, under the same names.
void add_paper(Chart& chart, const std::vector<Kind>& kinds) {
  for (const Kind& kind : kinds) {
    Series series{"the paper's " + kind_name(kind), {}, {}, kind_colour(kind), true};
    series.named = false;
    series.marker = Marker::kCross;
    series.opacity = 0.7;
    for (const PaperPoint& point : paper_six_task_average(kind_name(kind))) {
      series.x.push_back(point.parameters);
      series.y.push_back(point.value);
      series.notes.push_back(fmt::format("{} {}", series.name, point.size));
    }
    if (!series.x.empty()) chart.series.push_back(series);
  }
}

Figure mean_scores(const ReportInput& input, const std::vector<Task>& tasks, const std::string& id, const std::string& title,
                   double SizeGroup::*x) {
  const std::vector<Kind> kinds = x == &SizeGroup::bits ? kinds_of(*input.study) : std::vector<Kind>{kFloatLM, kTriLM, kBiLM};
  Chart chart = chart_of(*input.study, tasks, x, kinds);
  chart.title = title;
  const bool as_paper = tasks.size() == paper_tasks().size() && tasks[0].name == paper_tasks()[0].name;
  if (as_paper && x == &SizeGroup::parameters && !chart.series.empty()) add_paper(chart, kinds);
  std::string names;
  for (const Task& task : tasks) names += fmt::format("{}{} ({})", names.empty() ? "" : ", ", task.name, task.metric);
  return {id,      title,
          {chart}, "Mean of " + escaped(names) + (as_paper ? "; crosses: the paper's models, after 300B tokens." : "."),
          {},      input.command};
}

/// A small chart for each task.
Figure each_task(const ReportInput& input, const std::vector<Task>& tasks, const std::string& id, const std::string& title) {
  Figure figure{id, title,        {}, "Bars reach from the lowest to the highest seed; the dotted line is what guessing reaches.",
                {}, input.command};
  for (const Task& task : tasks) {
    Chart chart = chart_of(*input.study, {task}, &SizeGroup::parameters, {kFloatLM, kTriLM, kBiLM});
    if (chart.series.empty()) continue;
    chart.title = task.name;
    chart.y_label = task.metric + ", per cent";
    chart.small = true;
    if (std::isfinite(task.chance)) {
      Series chance{"chance", {chart.series[0].x.front(), chart.series[0].x.back()}, {task.chance, task.chance}, kNeutral};
      chance.dashed = true;
      chance.hover = false;
      chart.series.push_back(chance);
    }
    figure.charts.push_back(chart);
  }
  return figure;
}

}  // namespace

Section scores_section(const ReportInput& input) {
  Section section{"scores", "Scores", ""};
  std::vector<Task> tasks = tasks_of(*input.study, false);
  const bool as_paper = std::any_of(input.study->models.begin(), input.study->models.end(),
                                    [](const StudyModel& model) { return std::isfinite(score_of(model, paper_tasks())); });
  const std::vector<Task>& averaged = as_paper ? paper_tasks() : tasks;
  if (!averaged.empty())
    section.figures = {
        mean_scores(input, averaged, "scores-parameters", "Mean accuracy against parameters", &SizeGroup::parameters),
        mean_scores(input, averaged, "scores-bits", "Mean accuracy against size", &SizeGroup::bits)};
  section.figures.push_back(each_task(input, tasks, "scores-tasks", "Every task"));
  section.figures.push_back(each_task(input, tasks_of(*input.study, true), "bias", "Toxicity, stereotypes and truthfulness"));
  return section;
}

}  // namespace spectra::analysis
