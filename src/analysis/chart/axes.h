// SPDX-License-Identifier: Apache-2.0
#pragma once
// Turns data into places in a chart, and chooses the round numbers beside an axis.
#include <string>
#include <vector>

namespace spectra::analysis {

struct Range {
  Range();
  double low, high;
  void include(double value);  ///< what is not finite is ignored
  bool empty() const { return low > high; }
};

/// One axis: values from range.low to range.high lie from `begin` to `end` (units of the SVG; begin > end for an upward axis).
struct Axis {
  Range range;
  bool logarithmic = false;
  double begin = 0, end = 0;
  std::vector<double> ticks, minor;
  std::vector<std::string> labels;  ///< of the ticks
  double at(double value) const;
  bool holds(double value) const { return value >= range.low && value <= range.high; }
};

/// Widens the range a little and chooses ticks, about `wanted` of them.
void finish_axis(Axis& axis, int wanted, double margin);

/// Three to seven round numbers that cover [low, high].
std::vector<double> ticks(double low, double high, int wanted = 5);
/// Round numbers on a logarithmic axis: 1, 2, 5 of every decade, or decades only, about `wanted` of them.
std::vector<double> log_ticks(double low, double high, int wanted = 5);
/// Labels with the same number of decimals; thousands, millions and so on are written k, M, B, T.
std::vector<std::string> tick_labels(const std::vector<double>& values);
/// Five significant digits: "1.9312", "12.5M"; from 10^15 on "6.94e+18".
std::string short_number(double value);
/// Units that a text of so many letters takes at `size` pixels, estimated.
double text_width(const std::string& text, double size);

}  // namespace spectra::analysis
