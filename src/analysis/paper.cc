// SPDX-License-Identifier: Apache-2.0
#include "analysis/paper.h"

#include <cmath>
#include <map>

#include "analysis/paper_tables.h"

namespace spectra::analysis {
namespace {

/// The column of a table whose first column is a size.
std::vector<PaperPoint> points_of_column(const char* table, const char* column) {
  std::map<std::string, double> parameters;
  for (const auto& row : paper_table("sizes").table.rows) parameters[row[0].text] = row[1].value;
  std::vector<PaperPoint> points;
  const Table& data = paper_table(table).table;
  for (const auto& row : data.rows)
    points.push_back({row[0].text.c_str(), parameters.at(row[0].text), row[column_of(data, column)].value});
  return points;
}

}  // namespace

double PaperFit::at(double parameters) const { return a / std::pow(parameters, alpha) + offset; }

const std::vector<PaperPoint>& paper_binary_gap() {
  static const std::vector<PaperPoint> points = points_of_column("binary_gap", "loss");
  return points;
}

const std::vector<PaperPoint>& paper_sizes() {
  static const std::vector<PaperPoint> points = points_of_column("sizes", "parameters");
  return points;
}

std::vector<PaperPoint> paper_six_task_average(const std::string& kind) {
  const Table& scores = paper_table("scores").table;
  std::vector<PaperPoint> points;
  for (const auto& row : scores.rows)
    for (const PaperPoint& size : paper_sizes())
      if (row[0].text == kind && row[1].text == size.size)
        points.push_back({size.size, size.parameters,
                          kind == "BiLM" ? six_task_average(scores, row) : row[column_of(scores, "average6")].value});
  return points;
}

}  // namespace spectra::analysis
