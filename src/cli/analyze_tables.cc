// SPDX-License-Identifier: Apache-2.0
// Bias columns, the paper's tables.
#include <fmt/format.h>

#include "analysis/bias_table.h"
#include "analysis/paper_tables.h"
#include "base/error.h"
#include "cli/analyze.h"

namespace spectra::cli {
using analysis::Table;

Tables analyze_bias(const AnalyzeOptions& options) {
  const analysis::Study study = analysis::read_study(only_input(options, "a suite's directory"));
  const Table table = analysis::bias_table(study);
  if (table.rows.empty())
    throw bad_input(fmt::format("{}: no model was evaluated on crows_pairs_english, toxigen, bbq or truthfulqa", options.inputs[0]),
                    "name them in the suite's evaluation tasks");
  return {
      {"bias", table, "means over seeds, per cent; the likelihood difference in nats, of which the paper prints 100 times as much"},
      {"intervals", analysis::bias_intervals(study), "95 %: the error by the documents, and of several seeds by the seeds"}};
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
