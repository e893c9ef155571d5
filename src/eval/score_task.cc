// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>

#include "eval/metrics.h"
#include "eval/statistics.h"

namespace spectra::eval {
namespace {

/// Some documents of a task: indexes.
using Part = std::vector<size_t>;

class Scoring {
 public:
  Scoring(const Task& task, const std::vector<Document>& documents, const std::vector<Answer>& answers, int64_t resamples)
      : task_(task), documents_(documents), answers_(answers), resamples_(resamples) {}

  ScoreRow row(const std::string& name, int depth, const Part& part) const {
    ScoreRow row{name, depth, static_cast<int64_t>(part.size()), {}};
    for (const std::string& metric : task_.metrics) row.scores.push_back(score(*find_metric(metric, task_.kind), part));
    return row;
  }

 private:
  Score score(const Metric& metric, const Part& part) const {
    std::vector<double> values;
    int64_t words = 0, bytes = 0;
    for (const size_t i : part) {
      const double value = metric.value(task_, documents_[i], answers_[i]);
      if (!std::isnan(value)) values.push_back(value);
      words += documents_[i].words;
      bytes += documents_[i].bytes;
    }
    Score score{metric.name, 0, {}, static_cast<int64_t>(values.size())};
    switch (metric.aggregate) {
      case Aggregate::kMean:
        score.value = mean(values);
        if (values.size() > 1) score.stderr_value = mean_stderr(values);
        break;
      case Aggregate::kPerplexity:
        score.value = std::exp(-mean(values));
        if (values.size() > 1)
          score.stderr_value = bootstrap_stderr(values, resamples_, [](double average) { return std::exp(-average); });
        break;
      case Aggregate::kWordPerplexity:
        score.value = std::exp(-sum(values) / static_cast<double>(words));
        break;
      case Aggregate::kBytePerplexity:
        score.value = std::exp(-sum(values) / static_cast<double>(bytes));
        break;
      case Aggregate::kBitsPerByte:
        score.value = -sum(values) / static_cast<double>(bytes) / std::log(2);
        break;
    }
    return score;
  }

  const Task& task_;
  const std::vector<Document>& documents_;
  const std::vector<Answer>& answers_;
  int64_t resamples_;
};

std::string row_name(const Task& task, const std::string& part) {
  std::string name = task.name + "_" + part;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

/// Mean and standard error of several tasks, weighted by their documents; of one, its own.
ScoreRow pooled(const std::string& name, int depth, const std::vector<const ScoreRow*>& rows) {
  ScoreRow result{name, depth, 0, {}};
  if (rows.size() == 1) return {name, depth, rows.front()->documents, rows.front()->scores};
  for (const ScoreRow* row : rows) result.documents += row->documents;
  for (size_t m = 0; m < rows.front()->scores.size(); ++m) {
    std::vector<Estimate> parts;
    for (const ScoreRow* row : rows) parts.push_back({row->scores[m].value, row->scores[m].stderr_value, row->scores[m].documents});
    const Estimate all = pool(parts);
    result.scores.push_back({rows.front()->scores[m].metric, all.value, all.stderr_value, all.documents});
  }
  return result;
}

std::vector<ScoreRow> score_separate(const Task& task, const std::string& name, const Scoring& scoring,
                                     const std::map<std::string, Part>& parts) {
  std::map<std::string, ScoreRow> rows;
  for (const auto& part : parts) rows.emplace(part.first, scoring.row(row_name(task, part.first), 1, part.second));
  std::vector<const ScoreRow*> all;
  for (const auto& row : rows) all.push_back(&row.second);
  std::vector<ScoreRow> result = {pooled(name, 0, all)};
  for (const auto& group : task.subsets.groups) {
    std::vector<const ScoreRow*> members;
    for (const std::string& part : group.second)
      if (rows.count(part) > 0) members.push_back(&rows.at(part));
    if (!members.empty() && name == task.name) result.push_back(pooled(row_name(task, group.first), 1, members));
  }
  for (const ScoreRow* row : all)
    if (row->name != name) {
      result.push_back(*row);
      result.back().depth = name == task.name && !task.subsets.groups.empty() ? 2 : 1;
    }
  return result;
}

}  // namespace

std::vector<ScoreRow> score_task(const Task& task, const std::string& name, const std::vector<Document>& documents,
                                 const std::vector<Answer>& answers, int64_t resamples) {
  const Scoring scoring(task, documents, answers, resamples);
  Part all;
  std::map<std::string, Part> parts;
  for (size_t i = 0; i < documents.size(); ++i) {
    all.push_back(i);
    if (!documents[i].subset.empty()) parts[documents[i].subset].push_back(i);
  }
  if (task.subsets.separate) return score_separate(task, name, scoring, parts);
  std::vector<ScoreRow> rows = {scoring.row(name, 0, all)};
  for (const auto& part : parts)
    if (row_name(task, part.first) != name) rows.push_back(scoring.row(row_name(task, part.first), 1, part.second));
  return rows;
}

}  // namespace spectra::eval
