// SPDX-License-Identifier: Apache-2.0
#pragma once
// Charts as inline SVG: lines, points, bands and dot plots on linear or logarithmic axes. Colours come from CSS variables of the
// page (light, dark, print); names stand beside what they name where there is room, else in a legend.
#include <string>
#include <vector>

namespace spectra::analysis {

enum class Marker { kCircle, kTriangle, kSquare, kDiamond, kCross };

constexpr int kColours = 6;   ///< colours of series that the page defines
constexpr int kNeutral = -1;  ///< colour of what belongs to no series

struct Series {
  std::string name;
  std::vector<double> x, y;  ///< same length; a NaN in y breaks the line
  int colour = 0;            ///< the page's --c0..--c5, then the same dashed, and so on
  bool points = false;       ///< markers instead of a line
  bool faint = false;        ///< drawn thin and pale, without name: raw values behind a smoothed line
  bool named = true;         ///< its name is shown beside it or in the legend
  bool dashed = false;
  bool hover = true;   ///< its points can be asked for their values
  bool front = false;  ///< a broad pale line behind the others: a Pareto front
  Marker marker = Marker::kCircle;
  double opacity = 1;
  std::vector<double> low = {}, high = {};  ///< error bars of points, a band around a line; empty = none
  std::vector<std::string> notes = {};      ///< what each point is, shown when asked for; empty = the series' name
};

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
  bool log_x = false, log_y = false;
  std::vector<std::string> rows = {};     ///< a dot plot: y counts these rows from the top, x is the value
  std::vector<std::string> columns = {};  ///< names of x = 0, 1, 2 ..., instead of numbers
  bool small = false;                     ///< one of several panels side by side
  bool zero_line = false;                 ///< a line where y (of a dot plot: x) is 0, which is then always in view
};

/// The chart as one <svg> element, 420 units wide (a small one 300) so that its letters can be read on a phone. Long series are
/// thinned.
std::string to_svg(const Chart& chart);
/// Its points with their values for the page's script: {"series": [{"name", "colour", "points": [[x, y, "text"]]}]}, x and y in the
/// SVG's units.
std::string hover_points(const Chart& chart);
/// The chart as an SVG file of its own, with its title.
std::string to_svg_file(const Chart& chart);

/// The CSS that to_svg() relies on: colours for light, dark and print, and the classes of lines and labels.
const char* chart_style();

/// Every point, or means of at most `most` buckets in x and y.
Series thinned(const Series& series, size_t most);
/// Exponential moving average with the given half-life in samples.
std::vector<double> smoothed(const std::vector<double>& y, double half_life);
/// "&<>" and quotes replaced, for HTML and SVG.
std::string escaped(const std::string& text);

}  // namespace spectra::analysis
