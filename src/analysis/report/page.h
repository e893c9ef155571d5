// SPDX-License-Identifier: Apache-2.0
#pragma once
// The report as one HTML file: sections with figures, each with its data and the command that draws it again. Style and script are
// inside; the page is whole without the script.
#include <string>
#include <vector>

#include "analysis/chart/chart.h"
#include "analysis/chart/heat_map.h"
#include "analysis/table.h"

namespace spectra::analysis {

/// One chart, or several panels side by side with one caption.
struct Figure {
  std::string id, title;
  std::vector<Chart> charts;       ///< charts without series are left out, a figure without charts too
  std::string caption;             ///< HTML
  Table data;                      ///< what is drawn; empty: taken from the charts
  std::string command;             ///< draws it again
  std::vector<HeatMap> maps = {};  ///< below the charts; a figure with maps needs `data`
};

struct Section {
  std::string id, title, intro;  ///< intro: HTML
  std::vector<Figure> figures = {};
  std::string after = "";  ///< HTML below the figures
};

struct Page {
  std::string title, head;  ///< head: HTML under the title
  std::vector<Section> sections;
  int refresh_seconds = 0;  ///< the page loads itself again; 0 = never
};

/// Sections with neither a figure nor text after the figures are left out.
std::string to_html(const Page& page);
std::string to_html(const Figure& figure);
/// The points of the charts as a table: panel, series, x, y (and error bars). Series that cannot be asked for their values are left
/// out.
Table data_of(const std::vector<Chart>& charts);

const char* page_style();
const char* page_script();

}  // namespace spectra::analysis
