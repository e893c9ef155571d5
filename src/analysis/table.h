// SPDX-License-Identifier: Apache-2.0
#pragma once
// Tables of the report: the same rows as HTML, sortable by the page's script, and as CSV with every digit.
#include <limits>
#include <string>
#include <utility>
#include <vector>

namespace spectra::analysis {

/// A text, or a number with the text that shows it.
struct Cell {
  Cell(std::string shown) : text(std::move(shown)) {}  // NOLINT: tables are written as lists of texts and numbers
  Cell(const char* shown) : text(shown) {}             // NOLINT
  Cell(double number);                                 // NOLINT: five digits; NaN = not known
  Cell(double number, std::string shown) : text(std::move(shown)), value(number), numeric(true) {}
  /// A number shown with so many decimals.
  static Cell fixed(double number, int decimals);

  std::string text;
  double value = std::numeric_limits<double>::quiet_NaN();
  bool numeric = false;
  int colour = -2;       ///< a coloured sign in front, see Series::colour; -2 = none
  std::string picture;   ///< SVG in place of the text
  bool command = false;  ///< long text that may break
};

struct Table {
  std::vector<std::string> columns;
  std::vector<std::vector<Cell>> rows;
};

/// A table in a box that scrolls sideways, and down where the table is tall; `label` names it for screen readers.
std::string to_html(const Table& table, const std::string& label, bool tall = false);
/// Numbers with all their digits, empty where not known; texts quoted where they need it.
std::string to_csv(const Table& table);
/// A link that saves the CSV, from inside the page.
std::string csv_link(const Table& table, const std::string& file_name, const std::string& text);

}  // namespace spectra::analysis
