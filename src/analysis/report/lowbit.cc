// SPDX-License-Identifier: Apache-2.0
// What a study's low-bit weights do during training: zeros, changed codes, scales by depth. From the runs' logs.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "analysis/report/sections.h"

namespace spectra::analysis {
namespace {

using Getter = double (*)(const LogPoint&);

double opacity_of(size_t index, size_t count) { return 0.45 + 0.55 * static_cast<double>(index + 1) / static_cast<double>(count); }

/// A smoothed line a size.
Chart over_tokens(const ReportInput& input, const Kind& kind, const std::string& title, const std::string& y_label, Getter value,
                  bool log_y) {
  Chart chart{kind_name(kind) + ": " + title, "tokens", y_label, {}};
  chart.small = true;
  chart.log_y = log_y;
  const std::vector<Curve> curves = curves_of(input, kind);
  for (size_t i = 0; i < curves.size(); ++i) {
    Series series{curves[i].model->size, {}, {}, kind_colour(kind)};
    series.opacity = opacity_of(i, curves.size());
    for (const LogPoint& point : curves[i].run->log)
      if (std::isfinite(value(point)) && (!log_y || value(point) > 0))
        series.x.push_back(point.tokens), series.y.push_back(value(point));
    if (series.x.size() < 2) continue;
    series.y = smoothed(series.y, std::max(2.0, static_cast<double>(series.y.size()) / 50));
    chart.series.push_back(series);
  }
  if (!chart.series.empty()) chart.marks = shared_marks(curves);
  return chart;
}

/// Scales at the end of the run over relative depth, a line a size.
Chart scales_by_depth(const ReportInput& input, const Kind& kind) {
  Chart chart{kind_name(kind) + ": scales by depth", "depth, 0 = first layer, 1 = last", "scale, mean of the layer", {}};
  chart.small = true;
  const std::vector<Curve> curves = curves_of(input, kind);
  for (size_t i = 0; i < curves.size(); ++i) {
    if (curves[i].run->layers.empty()) continue;
    Series series{curves[i].model->size, {}, curves[i].run->layers.back().scale, kind_colour(kind)};
    series.opacity = opacity_of(i, curves.size());
    for (size_t layer = 0; layer < series.y.size(); ++layer) {
      series.x.push_back(static_cast<double>(layer) / std::max(1.0, static_cast<double>(series.y.size()) - 1));
      series.notes.push_back(fmt::format("{} {}, layer {}", kind_name(kind), series.name, layer));
    }
    chart.series.push_back(series);
  }
  return chart;
}

}  // namespace

Section low_bit_section(const ReportInput& input) {
  const Getter zeros = [](const LogPoint&p) { return p.zero_fraction; }, flips = [](const LogPoint&p) { return p.flip_fraction; };
  Section section{"low-bit", "Low-bit weights in training", ""};
  section.figures = {{"codes",
                      "Zeros and changed codes",
                      {over_tokens(input, kTriLM, "zero weights", "share of linear weights", zeros, false),
                       over_tokens(input, kTriLM, "codes changed by a step", "share of linear weights", flips, true),
                       over_tokens(input, kBiLM, "codes changed by a step", "share of linear weights", flips, true)},
                      "Moving averages. A code changes when the latent weight crosses a threshold.",
                      {},
                      input.command},
                     {"depth",
                      "Scales by depth at the end of training",
                      {scales_by_depth(input, kTriLM), scales_by_depth(input, kBiLM)},
                      "",
                      {},
                      input.command}};
  return section;
}

}  // namespace spectra::analysis
