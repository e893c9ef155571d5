// SPDX-License-Identifier: Apache-2.0
// Bias columns, the paper's tables.
#include <fmt/format.h>

#include "analysis/bias_table.h"
#include "analysis/paper_tables.h"
#include "analysis/tables/tables.h"
#include "base/error.h"

namespace spectra::analysis {

Tables bias_tables(const Study& study, const std::string& where) {
  const Table table = bias_table(study);
  if (table.rows.empty())
    throw bad_input(fmt::format("{}: no model was evaluated on crows_pairs_english, toxigen, bbq or truthfulqa", where),
                    "name them in the suite's evaluation tasks");
  return {
      {"bias", table, "means over seeds, per cent; the likelihood difference in nats, of which the paper prints 100 times as much"},
      {"intervals", bias_intervals(study), "95 %: the error by the documents, and of several seeds by the seeds"}};
}

Tables printed_tables() {
  Table list{{"table", "title"}, {}};
  for (const PaperTable& table : paper_tables()) list.rows.push_back({table.name, table.title});
  return {{"tables", list}};
}

Tables printed_table(const std::string& name) {
  const PaperTable& table = paper_table(name);
  return {{table.name, table.table, table.title}};
}

}  // namespace spectra::analysis
