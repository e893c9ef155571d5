// SPDX-License-Identifier: Apache-2.0
#include "analysis/bias_table.h"

#include <cmath>
#include <map>

#include "analysis/study_tables.h"

namespace spectra::analysis {
namespace {

struct Column {
  const char *name, *task, *metric;
  double factor;
};
constexpr Column kColumns[] = {{"crows_stereotype", "crows_pairs_english", "pct_stereotype", 100},
                               {"crows_likelihood_difference", "crows_pairs_english", "likelihood_diff", 1},
                               {"toxigen", "toxigen", "acc", 100},
                               {"toxigen_norm", "toxigen", "acc_norm", 100},
                               {"bbq", "bbq", "acc", 100},
                               {"bbq_bias_ambiguous", "bbq", "bias_ambiguous", 100},
                               {"bbq_bias_disambiguated", "bbq", "bias_disambiguated", 100},
                               {"truthfulqa_mc1", "truthfulqa_mc1", "acc", 100},
                               {"truthfulqa_mc2", "truthfulqa_mc2", "acc", 100}};

Measure measure_of(const Column& column) {
  return [&column](const StudyModel& model) {
    const auto task = model.tasks.find(column.task);
    if (task == model.tasks.end()) return kUnknown;
    const auto score = task->second.find(column.metric);
    return score == task->second.end() ? kUnknown : column.factor * score->second.value;
  };
}

}  // namespace

Table bias_table(const Study& study) {
  Table table{{"kind", "size", "parameters"}, {}};
  for (const Column& column : kColumns) table.columns.push_back(column.name);
  for (const Kind& kind : kinds_of(study)) {
    std::map<double, std::vector<Cell>> rows;  // by parameters
    for (size_t i = 0; i < std::size(kColumns); ++i)
      for (const SizeGroup& group : by_size(study, kind, measure_of(kColumns[i]))) {
        std::vector<Cell>& row = rows[group.parameters];
        if (row.empty()) {
          row = {kind_name(kind), group.size, group.parameters};
          row.resize(3 + std::size(kColumns), Cell(kUnknown));
        }
        row[3 + i] = group.mean.mean;
      }
    for (const auto& entry : rows) table.rows.push_back(entry.second);
  }
  return table;
}

}  // namespace spectra::analysis
