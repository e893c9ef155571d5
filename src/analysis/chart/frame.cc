// SPDX-License-Identifier: Apache-2.0
#include "analysis/chart/frame.h"

#include <algorithm>
#include <cmath>

namespace spectra::analysis {
namespace {

constexpr double kWidth = 420, kSmallWidth = 300, kHeight = 220, kSmallHeight = 165, kRowHeight = 24;
constexpr double kBottom = 42, kLabelTop = 14, kLegendRow = 18, kNameGap = 14.5, kLongestName = 112;

bool has_name(const Series& series) { return series.named && !series.faint && !series.name.empty(); }

/// The last point that can be seen, or -1.
int last_point(const Series& series) {
  for (size_t i = series.x.size(); i-- > 0;)
    if (std::isfinite(series.y[i]) && std::isfinite(series.x[i])) return static_cast<int>(i);
  return -1;
}

/// Values of y that decide the axis. The first steps of a run fall steeply from the loss of a uniform guess; where the largest
/// value is among the first 3 per cent of a long line they leave the picture at its top, so that they do not flatten the rest.
void include_y(Range& range, const Series& series) {
  const size_t start = series.points || series.y.size() <= 20 ? 0 : series.y.size() * 3 / 100;
  Range beginning, rest;
  for (size_t i = 0; i < series.y.size(); ++i) (i < start ? beginning : rest).include(series.y[i]);
  if (!rest.empty() && beginning.high <= rest.high) rest.include(beginning.high);
  range.include(rest.low);
  range.include(rest.high);
  range.include(beginning.low);
}

void fit_axes(const Chart& chart, Frame& frame) {
  frame.x.logarithmic = chart.log_x;
  frame.y.logarithmic = chart.log_y;
  for (const Series& series : chart.series) {
    for (const double x : series.x) frame.x.range.include(x);
    include_y(frame.y.range, series);
    for (const auto* ends : {&series.low, &series.high})
      for (const double end : *ends) (chart.rows.empty() ? frame.y : frame.x).range.include(end);
  }
  if (chart.zero_line) (chart.rows.empty() ? frame.y : frame.x).range.include(0);
  if (chart.columns.empty())
    finish_axis(frame.x, chart.small ? 4 : 5, chart.log_x || !chart.rows.empty() ? 0.06 : 0.01);
  else
    frame.x.range.low = -0.4, frame.x.range.high = static_cast<double>(chart.columns.size()) - 0.6;
  if (chart.rows.empty())
    finish_axis(frame.y, chart.small ? 4 : 5, 0.06);
  else
    frame.y.range.low = static_cast<double>(chart.rows.size()) - 0.4, frame.y.range.high = -0.6;
}

/// Names in rows from the left above the plot; returns the height they take.
double place_legend(const Chart& chart, Frame& frame) {
  double x = 4;
  int row = 0;
  for (const Series& series : chart.series) {
    if (!has_name(series)) continue;
    const double width = text_width(series.name, kLetter) + 34;
    if (x > 4 && x + width > frame.width) x = 4, ++row;
    frame.names.push_back({&series, x, 12 + kLegendRow * row});
    x += width;
  }
  return frame.names.empty() ? 0 : kLegendRow * (row + 1);
}

/// Pushes names apart so that they do not overlap and stay beside the plot: those that touch are moved off each other until they
/// hardly move, then two passes keep them within the plot.
void spread(std::vector<NameTag>& names, double top, double bottom) {
  std::sort(names.begin(), names.end(), [](const NameTag& a, const NameTag& b) { return a.anchor_y < b.anchor_y; });
  for (int round = 0; round < 60; ++round)
    for (size_t i = 0; i + 1 < names.size(); ++i) {
      if (names[i + 1].y - names[i].y >= kNameGap) continue;
      const double middle = (names[i].y + names[i + 1].y) / 2;
      names[i].y = middle - kNameGap / 2;
      names[i + 1].y = middle + kNameGap / 2;
    }
  double limit = top + 4;
  for (NameTag& name : names) limit = (name.y = std::max(name.y, limit)) + kNameGap;
  limit = bottom;
  for (size_t i = names.size(); i-- > 0;) limit = (names[i].y = std::min(names[i].y, limit)) - kNameGap;
}

void place_beside(const Chart& chart, Frame& frame) {
  for (const Series& series : chart.series) {
    const int last = has_name(series) ? last_point(series) : -1;
    if (last < 0) continue;
    const double x = frame.x.at(series.x[static_cast<size_t>(last)]), y = frame.down(series.y[static_cast<size_t>(last)]);
    frame.names.push_back({&series, frame.right + 8, y, x, y});
  }
  spread(frame.names, frame.top, frame.bottom);
}

/// The width of the widest name; `fits`: whether all names have room beside the plot.
double widest_name(const Chart& chart, double height, bool& fits) {
  double widest = 0, count = 0;
  for (const Series& series : chart.series)
    if (has_name(series)) widest = std::max(widest, text_width(series.name, kLetter)), ++count;
  fits = chart.rows.empty() && widest <= kLongestName && count * kNameGap <= height - kNameGap;
  return widest;
}

double left_margin(const Chart& chart, const Frame& frame) {
  double widest = 0;
  for (const std::string& label : chart.rows.empty() ? frame.y.labels : chart.rows)
    widest = std::max(widest, text_width(label, kSmallLetter));
  return std::min(widest + 12, frame.width * 0.45);
}

}  // namespace

double Frame::down(double value) const { return std::max(y.at(value), top); }

bool Frame::shows(double value) const { return y.at(value) >= top - 0.5; }

Frame frame_of(const Chart& chart) {
  Frame frame;
  frame.width = chart.small ? kSmallWidth : kWidth;
  fit_axes(chart, frame);
  const double height = !chart.rows.empty() ? kRowHeight * static_cast<double>(chart.rows.size()) + 8
                        : chart.small       ? kSmallHeight
                                            : kHeight;
  const double widest = widest_name(chart, height, frame.direct);
  frame.left = left_margin(chart, frame);
  frame.right = frame.width - (frame.direct && widest > 0 ? widest + 12 : 14);
  frame.label_y = kLabelTop + (frame.direct ? 0 : place_legend(chart, frame));
  frame.top = (chart.y_label.empty() ? frame.label_y - 8 : frame.label_y + 13) +
              kMarkRow * static_cast<double>(std::min<size_t>(chart.marks.size(), 2));
  frame.bottom = frame.top + height;
  frame.height = frame.bottom + kBottom;
  frame.x.begin = frame.left, frame.x.end = frame.right;
  frame.y.begin = frame.bottom, frame.y.end = frame.top;
  if (frame.direct) place_beside(chart, frame);
  return frame;
}

}  // namespace spectra::analysis
