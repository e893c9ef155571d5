// SPDX-License-Identifier: Apache-2.0
#include "analysis/chart.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/progress.h"

namespace spectra::analysis {
namespace {

constexpr double kWidth = 480, kLeft = 58, kRight = 18, kBottom = 44, kPlotHeight = 220;
constexpr double kLegendTop = 44, kLegendRow = 18, kLetter = 7.2;  // letters of 13 px are about this wide
constexpr size_t kLongestName = 40;
constexpr size_t kMaxPoints = 500, kMaxHover = 60, kFewPoints = 24;

constexpr const char* kStyle = R"(
:root{--bg:#fff;--fg:#1b1f24;--soft:#5b6470;--line:#e3e6ea;--card:#f7f8fa;--c0:#0072b2;--c1:#d55e00;--c2:#009e73;--c3:#a4508b;--c4:#b8860b;--c5:#4b5563}
@media (prefers-color-scheme:dark){:root{--bg:#14171a;--fg:#e6e9ec;--soft:#9aa4ae;--line:#2b3138;--card:#1b1f24;--c0:#56b4e9;--c1:#f0894f;--c2:#3ecf9b;--c3:#d68bc0;--c4:#e0b84c;--c5:#aab3bd}}
@media print{:root{--bg:#fff;--fg:#000;--soft:#444;--line:#ccc;--card:#fff}}
svg{width:100%;height:auto;display:block}svg text{fill:var(--fg);font:13px system-ui,sans-serif}svg .title{font-size:15px;font-weight:600}svg .tick{fill:var(--soft);font-size:12px}svg .label{fill:var(--soft)}
.grid{stroke:var(--line)}.axis{stroke:var(--soft)}.mark{stroke-dasharray:4 4;opacity:.8}svg .marked{font-size:11px;fill:var(--soft);paint-order:stroke;stroke:var(--card);stroke-width:4px}.line{fill:none;stroke-width:2;stroke-linejoin:round}.faint{stroke-width:1;opacity:.25}
.hover{fill:transparent;stroke-width:2;opacity:0}.hover:hover{opacity:1}.incident{fill:none;stroke-width:2.5}.point{stroke:var(--bg);stroke-width:1.5})";

struct Range {
  double low = std::numeric_limits<double>::infinity(), high = -std::numeric_limits<double>::infinity();
  void include(double value) {
    if (!std::isfinite(value)) return;
    low = std::min(low, value);
    high = std::max(high, value);
  }
  void widen(double fraction) {
    if (low > high) low = 0, high = 1;
    const double margin = high > low ? (high - low) * fraction : std::max(0.5, std::abs(high) * 0.05);
    low -= margin;
    high += margin;
  }
};

std::string colour_of(int colour) { return colour == kNeutral ? "var(--soft)" : fmt::format("var(--c{})", colour % 6); }
std::string dash_of(int colour) {
  const int round = colour == kNeutral ? 0 : colour / 6;
  return round == 0 ? "" : fmt::format(";stroke-dasharray:{} {}", 12 / round, 2 + 2 * round);
}

/// Maps data to the plot area.
struct Scale {
  Range x, y;
  bool log_x;
  double top = 0;  ///< of the plot area, below title and legend
  double bottom() const { return top + kPlotHeight; }
  double height() const { return bottom() + kBottom; }
  double across(double value) const {
    const double low = log_x ? std::log(x.low) : x.low, high = log_x ? std::log(x.high) : x.high;
    return kLeft + ((log_x ? std::log(value) : value) - low) / (high - low) * (kWidth - kLeft - kRight);
  }
  double down(double value) const { return bottom() - (value - y.low) / (y.high - y.low) * kPlotHeight; }
};

std::string number(double value) {
  if (std::abs(value) >= 10000) return format_count(static_cast<uint64_t>(std::llround(std::abs(value))));
  return fmt::format("{:.4g}", value);
}

/// Every point, or bucket means in x and y where there are too many.
Series thinned(const Series& series) {
  if (series.x.size() <= kMaxPoints || series.points) return series;
  Series out = series;
  out.x.clear();
  out.y.clear();
  for (size_t bucket = 0; bucket < kMaxPoints; ++bucket) {
    const size_t begin = bucket * series.x.size() / kMaxPoints, end = (bucket + 1) * series.x.size() / kMaxPoints;
    double x = 0, y = 0;
    for (size_t i = begin; i < end; ++i) x += series.x[i], y += series.y[i];
    out.x.push_back(x / static_cast<double>(end - begin));
    out.y.push_back(y / static_cast<double>(end - begin));
  }
  return out;
}

/// Where the name of each series goes: rows from the left, as many as it takes.
struct LegendEntry {
  const Series* series;
  std::string name;
  double x;
  int row;
};
std::vector<LegendEntry> legend_entries(const Chart& chart) {
  std::vector<LegendEntry> entries;
  double x = 14;
  int row = 0;
  for (const Series& series : chart.series) {
    if (series.faint || series.name.empty()) continue;
    std::string name = series.name;
    if (name.size() > kLongestName) name = name.substr(0, kLongestName) + "…";
    const double width = kLetter * static_cast<double>(name.size()) + 38;
    if (x > 14 && x + width > kWidth) x = 14, ++row;
    entries.push_back({&series, name, x, row});
    x += width;
  }
  return entries;
}

Scale fit(const Chart& chart) {
  Scale scale{{}, {}, chart.log_x};
  const std::vector<LegendEntry> legend = legend_entries(chart);
  scale.top = kLegendTop + 20 + (legend.empty() ? 0 : (legend.back().row + 1) * kLegendRow);
  for (const Series& series : chart.series) {
    for (const double x : series.x) scale.x.include(x);
    // The first steps of a run fall steeply from the loss of a uniform guess; keep them from flattening the rest.
    std::vector<double> sorted = series.y;
    sorted.erase(std::remove_if(sorted.begin(), sorted.end(), [](double y) { return !std::isfinite(y); }), sorted.end());
    if (sorted.empty()) continue;
    std::sort(sorted.begin(), sorted.end());
    scale.y.include(sorted.front());
    scale.y.include(sorted[sorted.size() > 20 ? sorted.size() * 97 / 100 : sorted.size() - 1]);
  }
  if (chart.log_x && scale.x.low <= scale.x.high) {
    scale.x.low /= 1.3;
    scale.x.high *= 1.3;
  } else {
    scale.x.widen(scale.x.low == scale.x.high ? 0.05 : 0.0);
  }
  scale.y.widen(0.06);
  return scale;
}

std::vector<double> log_ticks(const Range& range) {
  std::vector<double> out;
  for (double decade = std::pow(10, std::floor(std::log10(range.low))); decade <= range.high; decade *= 10)
    for (const double step : {1.0, 2.0, 5.0})
      if (decade * step >= range.low && decade * step <= range.high) out.push_back(decade * step);
  return out.size() < 2 ? ticks(range.low, range.high) : out;
}

std::string text_at(const char* classes, const char* anchor, double x, double y, const std::string& text) {
  return fmt::format("<text class=\"{}\" text-anchor=\"{}\" x=\"{:.1f}\" y=\"{:.1f}\">{}</text>", classes, anchor, x, y,
                     escaped(text));
}

std::string axes(const Chart& chart, const Scale& scale) {
  std::string svg;
  for (const double y : ticks(scale.y.low, scale.y.high)) {
    if (y < scale.y.low || y > scale.y.high) continue;
    svg += fmt::format("<line class=\"grid\" x1=\"{}\" x2=\"{}\" y1=\"{:.1f}\" y2=\"{:.1f}\"/>", kLeft, kWidth - kRight,
                       scale.down(y), scale.down(y));
    svg += text_at("tick", "end", kLeft - 7, scale.down(y) + 4, number(y));
  }
  for (const double x : chart.log_x ? log_ticks(scale.x) : ticks(scale.x.low, scale.x.high))
    if (x >= scale.x.low && x <= scale.x.high) svg += text_at("tick", "middle", scale.across(x), scale.bottom() + 18, number(x));
  svg += fmt::format("<line class=\"axis\" x1=\"{0}\" x2=\"{1}\" y1=\"{2}\" y2=\"{2}\"/>", kLeft, kWidth - kRight, scale.bottom());
  svg += text_at("label", "middle", (kLeft + kWidth - kRight) / 2, scale.height() - 8, chart.x_label);
  return svg + text_at("label", "start", 8, scale.top - 10, chart.y_label);
}

/// Labels of marks that stand close together go below each other; one near the right edge stands left of its line.
std::string marks(const Chart& chart, const Scale& scale) {
  std::vector<Mark> sorted = chart.marks;
  std::stable_sort(sorted.begin(), sorted.end(), [](const Mark& a, const Mark& b) { return a.x < b.x; });
  std::vector<double> row_ends;
  std::string svg;
  for (const Mark& mark : sorted) {
    if (mark.x < scale.x.low || mark.x > scale.x.high) continue;
    const double x = scale.across(mark.x), width = 6 * static_cast<double>(mark.label.size()) + 8;
    const bool left = x + width > kWidth;
    const double begin = left ? x - width : x;
    size_t row = 0;
    while (row < row_ends.size() && row_ends[row] > begin) ++row;
    if (row == row_ends.size()) row_ends.push_back(0);
    row_ends[row] = begin + width;
    svg += fmt::format("<line class=\"mark\" style=\"stroke:{3}\" x1=\"{0:.1f}\" x2=\"{0:.1f}\" y1=\"{1:.1f}\" y2=\"{2:.1f}\"/>", x,
                       scale.top, scale.bottom(), colour_of(mark.colour));
    svg +=
        text_at("marked", left ? "end" : "start", left ? x - 4 : x + 4, scale.top + 10 + 14 * static_cast<double>(row), mark.label);
  }
  return svg;
}

/// A cross on the axis for each; its title says what it was.
std::string incidents(const Chart& chart, const Scale& scale) {
  std::string svg;
  for (const Incident& incident : chart.incidents) {
    if (incident.x < scale.x.low || incident.x > scale.x.high) continue;
    svg += fmt::format("<path class=\"incident\" style=\"stroke:{}\" d=\"M{:.1f} {:.1f}l8 8m0 -8l-8 8\"><title>{}</title></path>",
                       colour_of(incident.colour), scale.across(incident.x) - 4, scale.bottom() - 4, escaped(incident.title));
  }
  return svg;
}

std::string line(const Series& series, const Scale& scale) {
  std::string path;
  bool pen_down = false;
  for (size_t i = 0; i < series.x.size(); ++i) {
    if (!std::isfinite(series.y[i])) {
      pen_down = false;
      continue;
    }
    const double y = std::max(scale.down(series.y[i]), scale.top);  // clipped at the top, see fit()
    path += fmt::format("{}{:.1f} {:.1f}", pen_down ? "L" : "M", scale.across(series.x[i]), y);
    pen_down = true;
  }
  return fmt::format("<path class=\"line{}\" style=\"stroke:{}{}\" d=\"{}\"/>", series.faint ? " faint" : "",
                     colour_of(series.colour), series.faint ? "" : dash_of(series.colour), path);
}

std::string hover(const Chart& chart, const Series& series, const Scale& scale) {
  std::string svg;
  const size_t stride = series.points ? 1 : std::max<size_t>(1, series.x.size() / kMaxHover);
  for (size_t i = 0; i < series.x.size(); i += stride) {
    if (!std::isfinite(series.y[i]) || scale.down(series.y[i]) < scale.top) continue;
    const bool visible = series.points || series.x.size() <= kFewPoints;
    svg += fmt::format(
        "<circle class=\"{}\" style=\"{}:{}\" cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"{}\"><title>{}\n{}: {}\n{}: "
        "{}</title></circle>",
        visible ? "point" : "hover", visible ? "fill" : "stroke", colour_of(series.colour), scale.across(series.x[i]),
        scale.down(series.y[i]), visible && !series.points ? 3 : 6, escaped(series.name), escaped(chart.x_label),
        number(series.x[i]), escaped(chart.y_label), number(series.y[i]));
  }
  return svg;
}

std::string legend(const Chart& chart) {
  std::string svg;
  for (const LegendEntry& entry : legend_entries(chart)) {
    const double y = kLegendTop + kLegendRow * entry.row;
    if (entry.series->points)
      svg += fmt::format("<circle style=\"fill:{}\" cx=\"{:.0f}\" cy=\"{:.0f}\" r=\"5\"/>", colour_of(entry.series->colour),
                         entry.x + 3, y - 4);
    else
      svg += fmt::format("<path class=\"line\" style=\"stroke:{}{}\" d=\"M{:.0f} {:.0f}h16\"/>", colour_of(entry.series->colour),
                         dash_of(entry.series->colour), entry.x - 5, y - 4);
    svg += text_at("label", "start", entry.x + 16, y, entry.name);
  }
  return svg;
}

}  // namespace

std::string to_svg(const Chart& chart) {
  const Scale scale = fit(chart);
  std::string svg =
      fmt::format("<svg viewBox=\"0 0 {} {:.0f}\" role=\"img\" aria-label=\"{}\">", kWidth, scale.height(), escaped(chart.title));
  svg += text_at("title", "start", 8, 22, chart.title) + axes(chart, scale) + marks(chart, scale) + legend(chart);
  for (const Series& series : chart.series) {
    const Series shown = thinned(series);
    if (!series.points) svg += line(shown, scale);
    if (!series.faint) svg += hover(chart, shown, scale);
  }
  return svg + incidents(chart, scale) + "</svg>\n";
}

const char* chart_style() { return kStyle; }

std::string to_svg_file(const Chart& chart) {
  std::string svg = to_svg(chart);
  svg.insert(4, fmt::format(" xmlns=\"http://www.w3.org/2000/svg\" width=\"{}\" height=\"{:.0f}\"", kWidth, fit(chart).height()));
  svg.insert(svg.find('>') + 1,
             fmt::format("<style>{}</style><rect width=\"100%\" height=\"100%\" fill=\"var(--card)\"/>", kStyle));
  return svg;
}

std::vector<double> ticks(double low, double high, int wanted) {
  const double raw = (high - low) / wanted, power = std::pow(10, std::floor(std::log10(raw)));
  const double fraction = raw / power;
  const double step = power * (fraction < 1.5 ? 1 : fraction < 3.5 ? 2 : fraction < 7.5 ? 5 : 10);
  std::vector<double> out;
  for (double value = std::ceil(low / step) * step; value <= high + step * 1e-9; value += step)
    out.push_back(std::abs(value) < step * 1e-9 ? 0 : value);
  return out;
}

std::vector<double> smoothed(const std::vector<double>& y, double half_life) {
  const double keep = std::pow(0.5, 1 / half_life);
  std::vector<double> out;
  double sum = 0, weight = 0;
  for (const double value : y) {
    if (std::isfinite(value)) {
      sum = keep * sum + (1 - keep) * value;
      weight = keep * weight + (1 - keep);
    }
    out.push_back(weight > 0 ? sum / weight : value);
  }
  return out;
}

std::string escaped(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '&')
      out += "&amp;";
    else if (c == '<')
      out += "&lt;";
    else if (c == '>')
      out += "&gt;";
    else if (c == '"')
      out += "&quot;";
    else
      out += c;
  }
  return out;
}

}  // namespace spectra::analysis
