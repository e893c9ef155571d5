// SPDX-License-Identifier: Apache-2.0
#include "analysis/report/page.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace spectra::analysis {
namespace {

constexpr size_t kMaxShownRows = 150, kMaxSavedPoints = 300;

std::string plot_html(const Chart& chart) {
  std::string points = hover_points(chart);
  for (size_t at = 0; (at = points.find('<', at)) != std::string::npos;) points.replace(at, 1, "\\u003c");  // ends no script early
  return "<div class=\"plot\">" + to_svg(chart) + "<script type=\"application/json\">" + points + "</script></div>\n";
}

std::string data_html(const Figure& figure) {
  const Table& table = figure.data;
  std::string html = "<details><summary>Data and command</summary>\n";
  if (!table.rows.empty()) {
    html += "<p>" + csv_link(table, figure.id + ".csv", figure.id + ".csv") + fmt::format(", {} rows</p>\n", table.rows.size());
    if (table.rows.size() <= kMaxShownRows) html += to_html(table, "Data of: " + figure.title, true);
  }
  if (!figure.command.empty()) html += "<pre><code>" + escaped(figure.command) + "</code></pre>\n";
  return html + "</details>\n";
}

bool is_drawn(const Figure& figure) {
  return !figure.maps.empty() ||
         std::any_of(figure.charts.begin(), figure.charts.end(), [](const Chart& chart) { return !chart.series.empty(); });
}

bool is_empty(const Section& section) {
  return section.after.empty() && std::none_of(section.figures.begin(), section.figures.end(), is_drawn);
}

std::string contents(const Page& page) {
  std::string html = "<nav aria-label=\"Contents\"><ul>\n";
  for (const Section& section : page.sections)
    if (!is_empty(section)) html += fmt::format("<li><a href=\"#{}\">{}</a></li>\n", section.id, escaped(section.title));
  return html + "</ul></nav>\n";
}

std::string section_html(const Section& section) {
  std::string figures;
  for (const Figure& figure : section.figures) figures += to_html(figure);
  return fmt::format("<section aria-labelledby=\"{0}\">\n<h2 id=\"{0}\">{1}</h2>\n{2}{3}{4}</section>\n", section.id,
                     escaped(section.title), section.intro,
                     figures.empty() ? "" : "<div class=\"figures\">\n" + figures + "</div>\n", section.after);
}

}  // namespace

Table data_of(const std::vector<Chart>& charts) {
  const bool panels = charts.size() > 1;
  const auto is_bounded = [](const Chart& chart) {
    return std::any_of(chart.series.begin(), chart.series.end(), [](const Series& series) { return !series.low.empty(); });
  };
  const bool bounds = std::any_of(charts.begin(), charts.end(), is_bounded);
  Table table;
  if (panels) table.columns.push_back("panel");
  const std::string x = charts.empty() ? "x" : charts[0].x_label,
                    y = charts.empty() || charts[0].y_label.empty() ? "y" : charts[0].y_label;
  for (const std::string& name : {std::string("series"), x, y}) table.columns.push_back(name);
  if (bounds) table.columns.insert(table.columns.end(), {"low", "high"});
  for (const Chart& chart : charts)
    for (const Series& series : chart.series) {
      if (series.faint || !series.hover) continue;
      const Series shown = thinned(series, kMaxSavedPoints);
      for (size_t i = 0; i < shown.x.size(); ++i) {
        if (!std::isfinite(shown.y[i])) continue;
        std::vector<Cell> row;
        if (panels) row.emplace_back(chart.title);
        row.emplace_back(i < shown.notes.size() ? shown.notes[i] : shown.name);
        row.emplace_back(shown.x[i]);
        row.emplace_back(chart.rows.empty() ? Cell(shown.y[i]) : Cell(chart.rows[static_cast<size_t>(std::lround(shown.y[i]))]));
        if (bounds) {
          row.emplace_back(i < shown.low.size() ? shown.low[i] : std::nan(""));
          row.emplace_back(i < shown.high.size() ? shown.high[i] : std::nan(""));
        }
        table.rows.push_back(row);
      }
    }
  return table;
}

std::string to_html(const Figure& figure) {
  Figure shown = figure;
  shown.charts.erase(
      std::remove_if(shown.charts.begin(), shown.charts.end(), [](const Chart& chart) { return chart.series.empty(); }),
      shown.charts.end());
  if (!is_drawn(figure)) return "";
  if (shown.data.rows.empty()) shown.data = data_of(shown.charts);
  const bool panels = !shown.charts.empty() && shown.charts.front().small;
  std::string html =
      fmt::format("<figure id=\"{}\"{}>\n<h3>{}</h3>\n", shown.id, panels ? " class=\"panels\"" : "", escaped(shown.title));
  if (panels) html += "<div class=\"row\">\n";
  for (const Chart& chart : shown.charts)
    html += panels ? "<div><h4>" + escaped(chart.title) + "</h4>" + plot_html(chart) + "</div>\n" : plot_html(chart);
  if (panels) html += "</div>\n";
  for (const HeatMap& map : shown.maps) html += "<div class=\"plot\">" + to_svg(map) + "</div>\n";
  if (!shown.caption.empty()) html += "<figcaption>" + shown.caption + "</figcaption>\n";
  return html + data_html(shown) + "</figure>\n";
}

std::string to_html(const Page& page) {
  std::string html =
      "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
      "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">";
  if (page.refresh_seconds > 0) html += fmt::format("<meta http-equiv=\"refresh\" content=\"{}\">", page.refresh_seconds);
  html += fmt::format(
      "<title>{0}</title><link rel=\"icon\" "
      "href=\"data:,\">\n<style>\n{1}{2}</style></head><body>\n<header>\n<h1>{0}</h1>\n{3}{4}</header>\n<main>\n",
      escaped(page.title), chart_style(), page_style(), page.head, contents(page));
  for (const Section& section : page.sections)
    if (!is_empty(section)) html += section_html(section);
  return html + "</main>\n<script>\n" + page_script() + "</script>\n</body></html>\n";
}

}  // namespace spectra::analysis
