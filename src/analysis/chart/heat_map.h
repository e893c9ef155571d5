// SPDX-License-Identifier: Apache-2.0
#pragma once
// A table of numbers as shades: SVG, each cell with its value on hovering.
#include <string>
#include <vector>

namespace spectra::analysis {

struct HeatMap {
  std::string title, x_label, y_label;
  std::vector<std::string> rows;           ///< from the top
  std::vector<std::vector<double>> cells;  ///< of each row, from the left; rows may differ in length; NaN = an empty cell
  int colour = 0;                          ///< number of the colour, as Series::colour has it
  std::string unit = "";                   ///< written after the values
};

/// Shades from the smallest value (pale) to the largest; a key with both below.
std::string to_svg(const HeatMap& map);

}  // namespace spectra::analysis
