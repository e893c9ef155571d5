// SPDX-License-Identifier: Apache-2.0
#pragma once
// RFC 4180: fields in quotes may hold commas, line breaks and doubled quotes.
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace spectra::eval {

struct CsvRow {
  int64_t line;  ///< it begins on, from 1
  std::vector<std::string> fields;
};
/// Rows of `text`; empty lines are none. Throws Error naming `where` and the line where a quote does not close or text follows one.
/// `most`: rows at most; a last row that is cut off is then no error.
std::vector<CsvRow> parse_csv(std::string_view text, const std::string& where, size_t most = SIZE_MAX);

}  // namespace spectra::eval
