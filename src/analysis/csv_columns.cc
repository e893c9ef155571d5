// SPDX-License-Identifier: Apache-2.0
#include "analysis/csv_columns.h"

#include <fmt/format.h>

#include <cmath>
#include <cstdlib>
#include <limits>

#include "base/error.h"

namespace spectra::analysis {
namespace {

constexpr const char* kByteOrderMark = "\xEF\xBB\xBF";  // what spreadsheets put in front of UTF-8

}  // namespace

CsvColumns::CsvColumns(const std::string& csv, const std::string& where, const std::vector<std::string>& needed)
    : where_(where), rows_(eval::parse_csv(csv.compare(0, 3, kByteOrderMark) == 0 ? csv.substr(3) : csv, where)) {
  if (rows_.empty()) throw bad_input(fmt::format("{} is empty", where), "its first line names the columns");
  for (size_t i = 0; i < rows_[0].fields.size(); ++i) places_[rows_[0].fields[i]] = i;
  rows_.erase(rows_.begin());
  for (const std::string& column : needed)
    if (places_.count(column) == 0)
      throw bad_input(fmt::format("{}: its first line has no column {}", where, column),
                      fmt::format("it needs {}", fmt::join(needed, ", ")));
}

std::string CsvColumns::text(size_t row, const std::string& column) const {
  const auto place = places_.find(column);
  if (place == places_.end() || place->second >= rows_[row].fields.size()) return "";
  return rows_[row].fields[place->second];
}

double CsvColumns::number(size_t row, const std::string& column) const {
  const std::string field = text(row, column);
  char* end = nullptr;
  const double value = std::strtod(field.c_str(), &end);
  if (field.empty() || *end != 0 || !std::isfinite(value) || value <= 0)
    throw bad_input(fmt::format("{} line {}: {} is \"{}\"", where_, rows_[row].line, column, field), "a positive number");
  return value;
}

double CsvColumns::number_or_unknown(size_t row, const std::string& column) const {
  return text(row, column).empty() ? std::numeric_limits<double>::quiet_NaN() : number(row, column);
}

}  // namespace spectra::analysis
