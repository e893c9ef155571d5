// SPDX-License-Identifier: Apache-2.0
#include "analysis/bias_table.h"

#include <cmath>
#include <map>

#include "analysis/study_tables.h"

namespace spectra::analysis {
namespace {

struct ScoreColumn {
  const char *name, *task, *metric;
  double factor;
};
constexpr ScoreColumn kScoreColumns[] = {{"crows_stereotype", "crows_pairs_english", "pct_stereotype", 100},
                                         {"crows_likelihood_difference", "crows_pairs_english", "likelihood_diff", 1},
                                         {"toxigen", "toxigen", "acc", 100},
                                         {"toxigen_norm", "toxigen", "acc_norm", 100},
                                         {"bbq", "bbq", "acc", 100},
                                         {"bbq_bias_ambiguous", "bbq", "bias_ambiguous", 100},
                                         {"bbq_bias_disambiguated", "bbq", "bias_disambiguated", 100},
                                         {"truthfulqa_mc1", "truthfulqa_mc1", "acc", 100},
                                         {"truthfulqa_mc2", "truthfulqa_mc2", "acc", 100}};

const StudyScore* find_score(const StudyModel& model, const ScoreColumn& column) {
  const auto task = model.tasks.find(column.task);
  if (task == model.tasks.end()) return nullptr;
  const auto score = task->second.find(column.metric);
  return score == task->second.end() ? nullptr : &score->second;
}

Measure measure_of(const ScoreColumn& column) {
  return [&column](const StudyModel& model) {
    const StudyScore* score = find_score(model, column);
    return score == nullptr ? kUnknown : column.factor * score->value;
  };
}

/// Half the 95 % interval of a group's mean.
double margin_of(const SizeGroup& group, const ScoreColumn& column) {
  double error = 0;
  for (const StudyModel* model : group.models)
    error += column.factor * find_score(*model, column)->standard_error / static_cast<double>(group.models.size());
  return std::hypot(1.96 * error, group.values.size() > 1 ? group.mean.margin : 0);
}

}  // namespace

Table bias_table(const Study& study) {
  Table table{{"kind", "size", "parameters"}, {}};
  for (const ScoreColumn& column : kScoreColumns) table.columns.push_back(column.name);
  for (const Kind& kind : kinds_of(study)) {
    std::map<double, std::vector<Cell>> rows;  // by number of parameters
    for (size_t i = 0; i < std::size(kScoreColumns); ++i)
      for (const SizeGroup& group : by_size(study, kind, measure_of(kScoreColumns[i]))) {
        std::vector<Cell>& row = rows[group.parameters];
        if (row.empty()) {
          row = {kind_name(kind), group.size, group.parameters};
          row.resize(3 + std::size(kScoreColumns), Cell(kUnknown));
        }
        row[3 + i] = group.mean.mean;
      }
    for (const auto& entry : rows) table.rows.push_back(entry.second);
  }
  return table;
}

Table bias_intervals(const Study& study) {
  Table table{{"kind", "size", "measure", "seeds", "value", "value_low", "value_high"}, {}};
  for (const ScoreColumn& column : kScoreColumns)
    for (const Kind& kind : kinds_of(study))
      for (const SizeGroup& group : by_size(study, kind, measure_of(column))) {
        const double margin = margin_of(group, column);
        table.rows.push_back({kind_name(kind), group.size, column.name, static_cast<double>(group.values.size()), group.mean.mean,
                              group.mean.mean - margin, group.mean.mean + margin});
      }
  return table;
}

}  // namespace spectra::analysis
