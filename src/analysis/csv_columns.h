// SPDX-License-Identifier: Apache-2.0
#pragma once
// CSV files whose first line names the columns, in any order.
#include <map>
#include <string>
#include <vector>

#include "eval/csv.h"

namespace spectra::analysis {

class CsvColumns {
 public:
  /// Throws Error where one of `needed` is absent.
  CsvColumns(const std::string& csv, const std::string& where, const std::vector<std::string>& needed);
  size_t rows() const { return rows_.size(); }
  /// "" where there is no such column or field.
  std::string text(size_t row, const std::string& column) const;
  /// A positive number. Throws Error naming the line.
  double number(size_t row, const std::string& column) const;
  /// NaN where the field is empty or absent.
  double number_or_unknown(size_t row, const std::string& column) const;

 private:
  std::string where_;
  std::map<std::string, size_t> places_;
  std::vector<eval::CsvRow> rows_;
};

}  // namespace spectra::analysis
