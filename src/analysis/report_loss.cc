// SPDX-License-Identifier: Apache-2.0
// Validation loss of a study's models against parameters and bits, and the gaps between families.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "analysis/paper.h"
#include "analysis/report_sections.h"

namespace spectra::analysis {
namespace {

const std::vector<Kind>& trained_kinds() {
  static const std::vector<Kind> kinds = {kFloatLM, kTriLM, kBiLM};
  return kinds;
}

/// Every seed as a pale dot, so that the mean's bar can be judged.
Series seeds_of(const Kind& kind, const std::vector<SizeGroup>& groups, double SizeGroup::*x) {
  Series series{kind_name(kind), {}, {}, kind_colour(kind), true};
  series.named = series.hover = false;
  series.opacity = 0.35;
  series.marker = kind_marker(kind);
  for (const SizeGroup& group : groups)
    for (const double value : group.values)
      if (group.values.size() > 1) series.x.push_back(group.*x), series.y.push_back(value);
  return series;
}

/// Means joined by a line, which bears the name.
Series joined(Series points) {
  points.points = points.hover = false;
  points.low.clear(), points.high.clear();
  return points;
}

Figure loss_against_parameters(const ReportInput& input) {
  Chart chart{"Validation loss against parameters", "parameters", "validation loss, nats a token", {}};
  chart.log_x = true;
  for (const Kind& kind : trained_kinds()) {
    const std::vector<SizeGroup> groups = by_size(*input.study, kind, validation_loss);
    if (groups.empty()) continue;
    Series points = points_of(kind, groups, &SizeGroup::parameters);
    chart.series.push_back(joined(points));
    chart.series.push_back(seeds_of(kind, groups, &SizeGroup::parameters));
    points.named = false;
    chart.series.push_back(points);
  }
  return {"loss-parameters", chart.title, {chart}, "Markers are means over seeds, bars reach from the lowest to the highest.", {},
          input.command};
}

Figure loss_against_bits(const ReportInput& input) {
  Chart chart{"Validation loss against size", "size in bits, as the paper counts", "validation loss, nats a token", {}};
  chart.log_x = true;
  for (const Kind& kind : kinds_of(*input.study)) {
    const std::vector<SizeGroup> groups = by_size(*input.study, kind, validation_loss);
    if (groups.empty()) continue;
    Series points = points_of(kind, groups, &SizeGroup::bits);
    chart.series.push_back(joined(points));
    points.named = false;
    chart.series.push_back(points);
  }
  return {"loss-bits", chart.title, {chart}, "", {}, input.command};
}

/// The gap per size with its 95 % interval, and what the paper found at its sizes.
Chart gap_chart(const Study& study, const Kind& kind, const Kind& base, const std::vector<PaperPoint>& paper) {
  Chart chart{fmt::format("{} − {}", kind_name(kind), kind_name(base)), "parameters", "difference, nats a token", {}};
  chart.small = chart.log_x = chart.zero_line = true;
  Series series{"here", {}, {}, kind_colour(kind), true};
  series.marker = kind_marker(kind);
  bool intervals = false;
  for (const SizeDifference& gap : differences(study, kind, base, validation_loss)) {
    series.x.push_back(gap.parameters);
    series.y.push_back(gap.mean.mean);
    series.low.push_back(gap.mean.mean - gap.mean.margin);
    series.high.push_back(gap.mean.mean + gap.mean.margin);
    series.notes.push_back(fmt::format("{} at {}, {}", chart.title, gap.size,
                                       gap.mean.count > 1 ? fmt::format("{} seeds", gap.mean.count) : "one seed"));
    intervals |= gap.mean.count > 1;
  }
  if (series.x.empty()) return chart;
  if (!intervals) series.low.clear(), series.high.clear();
  chart.series.push_back(series);
  Series other{"paper", {}, {}, kNeutral, true};
  other.marker = Marker::kCross;
  for (const PaperPoint& point : paper) {
    other.x.push_back(point.parameters);
    other.y.push_back(point.value);
    other.notes.push_back(std::string("the paper at ") + point.size);
  }
  chart.series.push_back(other);
  return chart;
}

std::vector<PaperPoint> paper_ternary_gap() {
  std::vector<PaperPoint> points = paper_sizes();
  for (PaperPoint& point : points) point.value = kPaperTernary.at(point.parameters) - kPaperFloat.at(point.parameters);
  return points;
}

Figure gaps(const ReportInput& input) {
  return {
      "gaps",
      "What fewer bits cost, by size",
      {gap_chart(*input.study, kTriLM, kFloatLM, paper_ternary_gap()), gap_chart(*input.study, kBiLM, kTriLM, paper_binary_gap())},
      "Differences of the final validation loss between models of the same size and seed; bars are 95 % t-intervals over the "
      "seeds. "
      "Crosses: the paper, on other data, after 300B tokens; its TriLM − FloatLM is taken from its two fits.",
      {},
      input.command};
}

}  // namespace

Section loss_section(const ReportInput& input) {
  return {"loss", "Loss and size", "", {loss_against_parameters(input), loss_against_bits(input), gaps(input)}};
}

}  // namespace spectra::analysis
