// SPDX-License-Identifier: Apache-2.0
#include "analysis/paper_tables.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "analysis/embedded_data.h"
#include "base/error.h"

namespace spectra::analysis {
namespace {

Cell cell_of(const nlohmann::json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_null()) return std::numeric_limits<double>::quiet_NaN();
  return {value.get<double>(), fmt::format("{}", value.get<double>())};  // every digit that was printed
}

std::vector<PaperTable> parse_tables() {
  std::vector<PaperTable> tables;
  const nlohmann::json document = nlohmann::json::parse(paper_tables_json());
  for (const nlohmann::json& entry : document.at("tables")) {
    PaperTable table{entry.at("name"), entry.at("title"), {entry.at("columns").get<std::vector<std::string>>(), {}}};
    for (const nlohmann::json& row : entry.at("rows")) {
      std::vector<Cell> cells;
      for (const nlohmann::json& value : row) cells.push_back(cell_of(value));
      SPECTRA_CHECK(cells.size() == table.table.columns.size());
      table.table.rows.push_back(std::move(cells));
    }
    tables.push_back(std::move(table));
  }
  return tables;
}

}  // namespace

const std::vector<PaperTable>& paper_tables() {
  static const std::vector<PaperTable> tables = parse_tables();
  return tables;
}

const PaperTable& paper_table(const std::string& name) {
  std::vector<std::string> names;
  for (const PaperTable& table : paper_tables()) {
    if (table.name == name) return table;
    names.push_back(table.name);
  }
  throw bad_input(fmt::format("the paper has no table {}", name), fmt::format("one of {}", fmt::join(names, ", ")));
}

size_t column_of(const Table& table, const std::string& name) {
  const auto found = std::find(table.columns.begin(), table.columns.end(), name);
  SPECTRA_CHECK(found != table.columns.end());
  return static_cast<size_t>(found - table.columns.begin());
}

double six_task_average(const Table& scores, const std::vector<Cell>& row) {
  double sum = 0;
  for (const char* column : {"arc_challenge_norm", "arc_easy_norm", "boolq", "hellaswag_norm", "piqa_norm", "winogrande"})
    sum += row[column_of(scores, column)].value;
  return sum / 6;
}

}  // namespace spectra::analysis
