// SPDX-License-Identifier: Apache-2.0
#include "analysis/chart/heat_map.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "analysis/chart/axes.h"
#include "analysis/chart/chart.h"

namespace spectra::analysis {
namespace {

constexpr double kMapWidth = 420, kRow = 15, kTop = 24, kBelow = 46, kTick = 12;

struct MapFrame {
  Range range;
  double left = 0, cell = 0;
};

MapFrame frame_of(const HeatMap& map) {
  MapFrame frame;
  size_t columns = 1;
  for (const auto& row : map.cells) {
    columns = std::max(columns, row.size());
    for (const double value : row) frame.range.include(value);
  }
  for (const std::string& row : map.rows) frame.left = std::max(frame.left, text_width(row, kTick) + 10);
  frame.cell = (kMapWidth - frame.left - 2) / static_cast<double>(columns);
  return frame;
}

double shade(const MapFrame& frame, double value) {
  const double span = frame.range.high - frame.range.low;
  return 0.08 + 0.92 * (span > 0 ? (value - frame.range.low) / span : 0.5);
}

std::string cells_of(const HeatMap& map, const MapFrame& frame, size_t row) {
  std::string svg;
  for (size_t column = 0; column < map.cells[row].size(); ++column) {
    const double value = map.cells[row][column];
    if (!std::isfinite(value)) continue;
    svg += fmt::format(
        "<rect class=\"bar-area\" style=\"fill:var(--c{});fill-opacity:{:.2f}\" x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.2f}\" "
        "height=\"{}\">"
        "<title>{}, {}: {}{}</title></rect>",
        map.colour % kColours, shade(frame, value), frame.left + frame.cell * static_cast<double>(column),
        kTop + kRow * static_cast<double>(row), frame.cell * (frame.cell > 4 ? 0.94 : 1), kRow - 1, escaped(map.rows[row]), column,
        short_number(value), map.unit);
  }
  return svg;
}

std::string key_of(const HeatMap& map, const MapFrame& frame, double y) {
  std::string svg;
  const double width = 60;
  for (int i = 0; i < 12; ++i)
    svg += fmt::format("<rect style=\"fill:var(--c{});fill-opacity:{:.2f}\" x=\"{:.1f}\" y=\"{:.1f}\" width=\"5\" height=\"9\"/>",
                       map.colour % kColours, 0.08 + 0.92 * i / 11.0, kMapWidth - width - 60 + 5 * i, y - 8);
  const auto text = [&](const char* anchor, double x, const std::string& words) {
    return fmt::format("<text class=\"tick\" text-anchor=\"{}\" x=\"{:.1f}\" y=\"{:.1f}\">{}</text>", anchor, x, y, escaped(words));
  };
  return svg + text("end", kMapWidth - width - 65, fmt::format("{:.3g}", frame.range.low) + map.unit) +
         text("start", kMapWidth - 55, fmt::format("{:.3g}", frame.range.high) + map.unit);
}

}  // namespace

std::string to_svg(const HeatMap& map) {
  const MapFrame frame = frame_of(map);
  const double bottom = kTop + kRow * static_cast<double>(map.rows.size());
  std::string svg =
      fmt::format("<svg viewBox=\"0 0 {} {:.0f}\" role=\"img\" aria-label=\"{}\"><text class=\"label\" x=\"2\" y=\"14\">{}</text>",
                  kMapWidth, bottom + kBelow, escaped(map.title), escaped(map.y_label));
  for (size_t row = 0; row < map.rows.size(); ++row)
    svg += fmt::format("<text class=\"tick\" text-anchor=\"end\" x=\"{:.1f}\" y=\"{:.1f}\">{}</text>", frame.left - 6,
                       kTop + kRow * (static_cast<double>(row) + 0.8), escaped(map.rows[row])) +
           cells_of(map, frame, row);
  svg += fmt::format("<text class=\"label\" x=\"{:.1f}\" y=\"{:.1f}\">{}</text>", frame.left, bottom + 15, escaped(map.x_label));
  return svg + key_of(map, frame, bottom + 36) + "</svg>\n";
}

}  // namespace spectra::analysis
