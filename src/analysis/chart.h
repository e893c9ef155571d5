// SPDX-License-Identifier: Apache-2.0
#pragma once
// Line and point charts as inline SVG. Colours come from CSS variables of the page (light, dark, print); hovering a point
// shows its values through <title>, without script.
#include <string>
#include <vector>

namespace spectra::analysis {

struct Series {
  std::string name;
  std::vector<double> x, y;  ///< same length; a NaN in y breaks the line
  int colour = 0;            ///< the page's --c0..--c5, then the same dashed, and so on
  bool points = false;       ///< markers instead of a line
  bool faint = false;        ///< drawn thin and pale, without legend entry: raw values behind a smoothed line
};

constexpr int kNeutral = -1;  ///< colour of what belongs to no series

/// A vertical line with a label: the schedule changes here.
struct Mark {
  double x;
  std::string label;
  int colour = kNeutral;
};

/// A small sign on the axis, explained when hovered: something happened here once.
struct Incident {
  double x;
  std::string title;
  int colour = kNeutral;
};

struct Chart {
  std::string title, x_label, y_label;
  std::vector<Series> series;
  std::vector<Mark> marks = {};
  std::vector<Incident> incidents = {};
  bool log_x = false;
};

/// The chart as one <svg> element, 480 units wide so that its letters can be read on a phone, and as high as its legend needs. Long
/// series are thinned to 500 points.
std::string to_svg(const Chart& chart);

/// The CSS that to_svg() relies on: colours for light, dark and print, and the classes of lines and labels.
const char* chart_style();
/// The chart as an SVG file of its own.
std::string to_svg_file(const Chart& chart);

/// Three to seven round numbers that cover [low, high].
std::vector<double> ticks(double low, double high, int wanted = 5);
/// Exponential moving average with the given half-life in samples.
std::vector<double> smoothed(const std::vector<double>& y, double half_life);
/// "&<>" and quotes replaced, for HTML and SVG.
std::string escaped(const std::string& text);

}  // namespace spectra::analysis
