// SPDX-License-Identifier: Apache-2.0
#include "analysis/chart/chart.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "analysis/chart/frame.h"

namespace spectra::analysis {
namespace {

constexpr size_t kMaxPoints = 300, kMaxHover = 80, kFewPoints = 24;

std::string colour_of(int colour) { return colour == kNeutral ? "var(--soft)" : fmt::format("var(--c{})", colour % kColours); }
std::string dash_of(const Series& series) {
  if (series.dashed) return ";stroke-dasharray:5 4";
  const int round = series.colour == kNeutral ? 0 : series.colour / kColours;
  return round == 0 ? "" : fmt::format(";stroke-dasharray:{} {}", 12 / round, 2 + 2 * round);
}
std::string opacity_of(const Series& series) { return series.opacity < 1 ? fmt::format(";opacity:{:.2f}", series.opacity) : ""; }

std::string text_at(const char* classes, const char* anchor, double x, double y, const std::string& text,
                    const std::string& style = "") {
  return fmt::format("<text class=\"{}\" text-anchor=\"{}\" x=\"{:.1f}\" y=\"{:.1f}\"{}>{}</text>", classes, anchor, x, y,
                     style.empty() ? "" : " style=\"" + style + "\"", escaped(text));
}

std::string line_at(const char* classes, double x1, double y1, double x2, double y2) {
  return fmt::format("<path class=\"{}\" d=\"M{:.1f} {:.1f}L{:.1f} {:.1f}\"/>", classes, x1, y1, x2, y2);
}

std::string marker(Marker shape, double x, double y, double r) {
  switch (shape) {
    case Marker::kTriangle:
      return fmt::format("M{:.1f} {:.1f}l{:.1f} {:.1f}h{:.1f}z", x, y - 1.2 * r, 1.15 * r, 2 * r, -2.3 * r);
    case Marker::kSquare:
      return fmt::format("M{:.1f} {:.1f}h{:.1f}v{:.1f}h{:.1f}z", x - 0.9 * r, y - 0.9 * r, 1.8 * r, 1.8 * r, -1.8 * r);
    case Marker::kDiamond:
      return fmt::format("M{:.1f} {:.1f}l{:.1f} {:.1f}l{:.1f} {:.1f}l{:.1f} {:.1f}z", x, y - 1.25 * r, 1.25 * r, 1.25 * r,
                         -1.25 * r, 1.25 * r, -1.25 * r, -1.25 * r);
    case Marker::kCross:
      return fmt::format("M{0:.1f} {1:.1f}l{2:.1f} {2:.1f}m{3:.1f} 0l{2:.1f} {3:.1f}", x - 0.8 * r, y - 0.8 * r, 1.6 * r, -1.6 * r);
    case Marker::kCircle:
      break;
  }
  return fmt::format("M{0:.1f} {1:.1f}a{2:.1f} {2:.1f} 0 1 0 {3:.1f} 0a{2:.1f} {2:.1f} 0 1 0 {4:.1f} 0z", x - r, y, r, 2 * r,
                     -2 * r);
}

std::string draw_x_axis(const Chart& chart, const Frame& frame) {
  std::string svg = line_at("axis", frame.left, frame.bottom, frame.right, frame.bottom);
  for (const double x : frame.x.minor) svg += line_at("axis", frame.x.at(x), frame.bottom, frame.x.at(x), frame.bottom + 3);
  double free = -1e9;  // a label that would touch the one before is left out
  const size_t count = chart.columns.empty() ? frame.x.ticks.size() : chart.columns.size();
  for (size_t i = 0; i < count; ++i) {
    const double value = chart.columns.empty() ? frame.x.ticks[i] : static_cast<double>(i);
    if (!frame.x.holds(value)) continue;
    const std::string& label = chart.columns.empty() ? frame.x.labels[i] : chart.columns[i];
    const double x = frame.x.at(value), half = text_width(label, kSmallLetter) / 2;
    if (chart.columns.empty()) svg += line_at("axis", x, frame.bottom, x, frame.bottom + 5);
    if (x - half < free) continue;
    free = x + half + 6;
    svg += text_at("tick", "middle", std::clamp(x, half + 1, frame.width - half - 1), frame.bottom + 18, label);
  }
  return svg + text_at("label", "middle", (frame.left + frame.right) / 2, frame.height - 7, chart.x_label);
}

std::string draw_y_axis(const Chart& chart, const Frame& frame) {
  std::string svg;
  for (size_t row = 0; row < chart.rows.size(); ++row) {
    const double y = frame.y.at(static_cast<double>(row));
    svg += line_at("grid", frame.left, y, frame.right, y) + text_at("tick", "end", frame.left - 7, y + 4, chart.rows[row]);
  }
  for (size_t i = 0; i < frame.y.ticks.size(); ++i) {
    const double y = frame.y.at(frame.y.ticks[i]);
    if (!frame.y.holds(frame.y.ticks[i])) continue;
    svg += line_at("grid", frame.left, y, frame.right, y) + text_at("tick", "end", frame.left - 7, y + 4, frame.y.labels[i]);
  }
  for (const double y : frame.y.minor) svg += line_at("axis", frame.left - 3, frame.y.at(y), frame.left, frame.y.at(y));
  if (chart.zero_line && chart.rows.empty()) svg += line_at("zero", frame.left, frame.y.at(0), frame.right, frame.y.at(0));
  if (chart.zero_line && !chart.rows.empty()) svg += line_at("zero", frame.x.at(0), frame.top, frame.x.at(0), frame.bottom);
  return svg + (chart.y_label.empty() ? "" : text_at("label", "start", 2, frame.label_y, chart.y_label));
}

/// Names of marks stand above the plot; those that are close together go below each other, one near the right edge left of its
/// line.
std::string draw_marks(const Chart& chart, const Frame& frame) {
  std::string svg;
  std::vector<Mark> sorted = chart.marks;
  std::sort(sorted.begin(), sorted.end(), [](const Mark& a, const Mark& b) { return a.x < b.x; });
  std::vector<double> row_ends;
  for (const Mark& mark : sorted) {
    if (!frame.x.holds(mark.x)) continue;
    const double x = frame.x.at(mark.x), width = text_width(mark.label, 11) + 8;
    const bool left = x + width > frame.right;
    const double begin = left ? x - width : x;
    size_t row = 0;
    while (row < row_ends.size() && row_ends[row] > begin) ++row;
    if (row == row_ends.size()) row_ends.push_back(0);
    row_ends[row] = begin + width;
    const double y =
        frame.top - kMarkRow * static_cast<double>(std::min<size_t>(sorted.size(), 2)) + kMarkRow * static_cast<double>(row);
    svg += fmt::format("<path class=\"mark\" style=\"stroke:{}\" d=\"M{:.1f} {:.1f}V{:.1f}\"/>", colour_of(mark.colour), x, y,
                       frame.bottom);
    svg += text_at("marked", left ? "end" : "start", left ? x - 4 : x + 4, y + 9, mark.label);
  }
  return svg;
}

/// A cross on the axis for each; its title says what it was.
std::string draw_incidents(const Chart& chart, const Frame& frame) {
  std::string svg;
  for (const Incident& incident : chart.incidents)
    if (frame.x.holds(incident.x))
      svg +=
          fmt::format("<path class=\"incident\" style=\"stroke:{}\" d=\"{}\"><title>{}</title></path>", colour_of(incident.colour),
                      marker(Marker::kCross, frame.x.at(incident.x), frame.bottom, 5), escaped(incident.title));
  return svg;
}

std::string path_of(const Series& series, const Frame& frame, const std::vector<double>& y) {
  std::string path;
  bool pen_down = false;
  for (size_t i = 0; i < series.x.size(); ++i) {
    if (!std::isfinite(y[i]) || !frame.shows(y[i])) {
      pen_down = false;
      continue;
    }
    path += fmt::format("{}{:.1f} {:.1f}", pen_down ? "L" : "M", frame.x.at(series.x[i]), frame.down(y[i]));
    pen_down = true;
  }
  return path;
}

std::string draw_line(const Series& series, const Frame& frame) {
  std::string svg;
  if (!series.low.empty()) {
    Series back = series;
    std::reverse(back.x.begin(), back.x.end());
    std::string lower = path_of(back, frame, {series.low.rbegin(), series.low.rend()});
    if (!lower.empty()) lower[0] = 'L';
    svg = fmt::format("<path class=\"band\" style=\"fill:{}\" d=\"{}{}z\"/>", colour_of(series.colour),
                      path_of(series, frame, series.high), lower);
  }
  return svg + fmt::format("<path class=\"line{}\" style=\"stroke:{}{}{}\" d=\"{}\"/>",
                           series.front   ? " front"
                           : series.faint ? " faint"
                                          : "",
                           colour_of(series.colour), series.faint ? "" : dash_of(series), opacity_of(series),
                           path_of(series, frame, series.y));
}

std::string draw_error_bars(const Chart& chart, const Series& series, const Frame& frame) {
  std::string path;
  for (size_t i = 0; i < series.low.size(); ++i) {
    if (!std::isfinite(series.low[i]) || !std::isfinite(series.high[i])) continue;
    const double x = frame.x.at(series.x[i]), y = frame.y.at(series.y[i]);
    if (chart.rows.empty())
      path += fmt::format("M{:.1f} {:.1f}V{:.1f}", x, frame.down(series.low[i]), frame.down(series.high[i]));
    else
      path += fmt::format("M{:.1f} {:.1f}H{:.1f}", frame.x.at(series.low[i]), y, frame.x.at(series.high[i]));
  }
  return path.empty() ? "" : fmt::format("<path class=\"bar\" style=\"stroke:{}\" d=\"{}\"/>", colour_of(series.colour), path);
}

std::string note_of(const Chart& chart, const Series& series, size_t i) {
  const std::string name = i < series.notes.size() ? series.notes[i] : series.name;
  if (!chart.rows.empty()) return fmt::format("{}\n{} {}", name, chart.x_label, short_number(series.x[i]));
  if (!chart.columns.empty()) return fmt::format("{}\n{} {}", name, chart.y_label, short_number(series.y[i]));
  return fmt::format("{}\n{} {}\n{} {}", name, chart.x_label, short_number(series.x[i]), chart.y_label, short_number(series.y[i]));
}

std::string draw_points(const Chart& chart, const Series& series, const Frame& frame) {
  std::string svg = draw_error_bars(chart, series, frame);
  const double radius = series.points ? (chart.small ? 4 : 4.5) : 2.5;
  const bool open = series.marker == Marker::kCross;
  for (size_t i = 0; i < series.x.size(); ++i) {
    if (!std::isfinite(series.y[i])) continue;
    svg += fmt::format("<path class=\"{}\" style=\"{}:{}{}\" d=\"{}\"><title>{}</title></path>", open ? "cross" : "point",
                       open ? "stroke" : "fill", colour_of(series.colour), opacity_of(series),
                       marker(series.marker, frame.x.at(series.x[i]), frame.down(series.y[i]), radius),
                       escaped(note_of(chart, series, i)));
  }
  return svg;
}

std::string draw_names(const Frame& frame) {
  std::string svg;
  for (const NameTag& name : frame.names) {
    const Series& series = *name.series;
    const std::string colour = colour_of(series.colour);
    if (frame.direct) {
      if (std::abs(name.y - name.anchor_y) > 5 && name.anchor_x > frame.right - 12)
        svg += fmt::format("<path class=\"leader\" style=\"stroke:{}\" d=\"M{:.1f} {:.1f}L{:.1f} {:.1f}\"/>", colour,
                           std::min(name.anchor_x + 1, name.x - 3), name.anchor_y, name.x - 2, name.y);
      svg += text_at("name", "start", name.x, name.y + 4, series.name, "fill:" + colour);
      continue;
    }
    if (series.points)
      svg += fmt::format("<path class=\"point\" style=\"fill:{}\" d=\"{}\"/>", colour,
                         marker(series.marker, name.x + 8, name.y - 4, 4.5));
    else
      svg += fmt::format("<path class=\"line\" style=\"stroke:{}{}\" d=\"M{:.1f} {:.1f}h16\"/>", colour, dash_of(series), name.x,
                         name.y - 4);
    svg += text_at("name", "start", name.x + 21, name.y, series.name);
  }
  return svg;
}

}  // namespace

std::string to_svg(const Chart& chart) {
  const Frame frame = frame_of(chart);
  std::string svg = fmt::format("<svg viewBox=\"0 0 {:.0f} {:.0f}\" role=\"img\" aria-label=\"{}\">", frame.width, frame.height,
                                escaped(chart.title));
  svg += draw_y_axis(chart, frame) + draw_x_axis(chart, frame);
  for (const Series& series : chart.series)
    if (!series.points && series.x.size() > 1) svg += draw_line(thinned(series, kMaxPoints), frame);
  for (const Series& series : chart.series)
    if (series.points || (!series.faint && series.hover && series.x.size() <= kFewPoints)) svg += draw_points(chart, series, frame);
  return svg + draw_marks(chart, frame) + draw_incidents(chart, frame) + draw_names(frame) + "</svg>\n";
}

std::string hover_points(const Chart& chart) {
  const Frame frame = frame_of(chart);
  nlohmann::ordered_json all = nlohmann::ordered_json::array();
  const auto tenth = [](double value) { return std::round(10 * value) / 10; };
  for (const Series& series : chart.series) {
    if (!series.hover || series.faint) continue;
    const Series shown = series.points ? series : thinned(series, kMaxHover);
    nlohmann::ordered_json points = nlohmann::ordered_json::array();
    for (size_t i = 0; i < shown.x.size(); ++i)
      if (std::isfinite(shown.y[i]) && frame.shows(shown.y[i]))
        points.push_back({tenth(frame.x.at(shown.x[i])), tenth(frame.down(shown.y[i])), note_of(chart, shown, i)});
    if (!points.empty()) all.push_back({{"name", series.name}, {"colour", colour_of(series.colour)}, {"points", points}});
  }
  const nlohmann::ordered_json out = {{"left", tenth(frame.left)},
                                      {"right", tenth(frame.right)},
                                      {"top", tenth(frame.top)},
                                      {"bottom", tenth(frame.bottom)},
                                      {"series", all}};
  return out.dump();
}

std::string to_svg_file(const Chart& chart) {
  const Frame frame = frame_of(chart);
  std::string svg = to_svg(chart);
  const std::string head = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 -26 {0:.0f} {1:.0f}\" width=\"{0:.0f}\" height=\"{1:.0f}\" "
      "role=\"img\" "
      "aria-label=\"{2}\"><style>{3}</style><rect y=\"-26\" width=\"100%\" height=\"100%\" fill=\"var(--bg)\"/>{4}",
      frame.width, frame.height + 26, escaped(chart.title), chart_style(), text_at("title", "start", 2, -6, chart.title));
  return head + svg.substr(svg.find('>') + 1);
}

}  // namespace spectra::analysis
