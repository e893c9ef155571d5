// SPDX-License-Identifier: Apache-2.0
#pragma once
// Where everything of a chart goes: axes, names beside the lines or in a legend, and the SVG's size.
#include <string>
#include <vector>

#include "analysis/chart/axes.h"
#include "analysis/chart/chart.h"

namespace spectra::analysis {

/// The name of a series, at the end of its line (`row` unused) or in the legend.
struct NameTag {
  const Series* series;
  double x, y;
  double anchor_x = 0, anchor_y = 0;  ///< the end of the line, where the name had to move away from it
};

struct Frame {
  Axis x, y;
  double width = 0, height = 0, left = 0, right = 0, top = 0, bottom = 0;  ///< size of the SVG, then the edges of the plot area
  double label_y = 0;   ///< height of the y axis' label; marks are named between it and the plot
  bool direct = false;  ///< names stand beside the lines
  std::vector<NameTag> names;
  /// Height of a value in the SVG, clipped at the top: the y range leaves out the steep beginning of long lines.
  double down(double value) const;
  /// Whether a value lies in the plot and not above it.
  bool shows(double value) const;
};

Frame frame_of(const Chart& chart);

constexpr double kMarkRow = 13;                    ///< height of the name of a mark
constexpr double kLetter = 13, kSmallLetter = 12;  ///< sizes of names and labels, and of ticks

}  // namespace spectra::analysis
