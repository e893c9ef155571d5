// SPDX-License-Identifier: Apache-2.0
#pragma once
// The numbers that the Spectra paper (arXiv 2407.12327v5) printed, as tables: src/analysis/data/paper_tables.json.
#include <string>
#include <vector>

#include "analysis/table.h"

namespace spectra::analysis {

struct PaperTable {
  std::string name, title;
  Table table;  ///< a number that the paper does not give is NaN
};
const std::vector<PaperTable>& paper_tables();
/// Throws Error listing the names.
const PaperTable& paper_table(const std::string& name);
/// Number of the column `name`; it must exist.
size_t column_of(const Table& table, const std::string& name);
/// Mean of ARC-C, ARC-E, HellaSwag, PIQA (length-normalized), BoolQ and WinoGrande in a row of the table "scores".
double six_task_average(const Table& scores, const std::vector<Cell>& row);

}  // namespace spectra::analysis
