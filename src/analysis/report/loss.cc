// SPDX-License-Identifier: Apache-2.0
// Validation loss of a study's models against parameters and bits, and the gaps between families.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "analysis/paper.h"
#include "analysis/pareto.h"
#include "analysis/report/sections.h"

namespace spectra::analysis {
namespace {

const std::vector<Kind>& trained_kinds() {
  static const std::vector<Kind> kinds = {kFloatLM, kTriLM, kBiLM};
  return kinds;
}

/// Whether losses differ so much that a linear axis would press most of them together.
bool spread_out(const Study& study) {
  double low = INFINITY, high = 0;
  for (const StudyModel& model : study.models)
    if (std::isfinite(model.validation_loss))
      low = std::min(low, model.validation_loss), high = std::max(high, model.validation_loss);
  return high > 2 * low;
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

/// Each family's law where enough sizes are there, else its means joined by a line.
Figure loss_against_parameters(const ReportInput& input) {
  Chart chart{"Validation loss against parameters", "parameters", "validation loss, nats a token", {}};
  chart.log_x = true;
  chart.log_y = spread_out(*input.study);
  std::string laws;
  for (const Kind& kind : trained_kinds()) {
    const std::vector<SizeGroup> groups = by_size(*input.study, kind, validation_loss);
    if (groups.empty()) continue;
    Series points = points_of(kind, groups, &SizeGroup::parameters);
    const std::optional<FamilyFit> fit = fit_family(*input.study, kind);
    chart.series.push_back(fit ? curve_of(*fit) : joined(points));
    chart.series.push_back(seeds_of(kind, groups, &SizeGroup::parameters));
    points.named = false;
    chart.series.push_back(points);
    if (fit) laws += "<br>" + equation_of(*fit);
  }
  return {"loss-parameters",
          chart.title,
          {chart},
          "Markers are means over seeds, bars reach from the lowest to the highest." +
              (laws.empty() ? ""
                            : " Lines are scaling laws, with 95 % intervals, where these meet the means within 5 % and tend to "
                              "less; else they join the means:" +
                                  laws),
          {},
          with_analysis(input, "scaling")};
}

Figure paper_laws(const ReportInput& input) {
  const bool fitted = fit_family(*input.study, kFloatLM).has_value() || fit_family(*input.study, kTriLM).has_value();
  return {
      "paper-laws",
      "The paper's laws at its own sizes",
      fitted ? std::vector<Chart>{paper_fits_chart()} : std::vector<Chart>{},
      "FloatLM: L = 159·N<sup>−0.26</sup> + 1.67, TriLM: L = 185·N<sup>−0.26</sup> + 1.76, after 300B tokens. Other data, another "
      "tokenizer: slopes and gaps can be compared with the figure before, heights cannot.",
      {},
      input.command};
}

/// A broad line through the models that no smaller one beats.
Series front_of(const std::vector<SizeGroup>& groups) {
  std::vector<double> bits, losses;
  for (const SizeGroup& group : groups) bits.push_back(group.bits), losses.push_back(group.mean.mean);
  Series front{"", {}, {}, kNeutral};
  front.front = true;
  front.hover = false;
  for (const size_t i : pareto_front(bits, losses)) front.x.push_back(bits[i]), front.y.push_back(losses[i]);
  return front;
}

/// The chart of models of at least so many bits.
Chart bits_chart(const Study& study, double least, const std::string& title) {
  Chart chart{title, "size in bits, as the paper counts", "validation loss, nats a token", {}};
  chart.log_x = true;
  std::vector<SizeGroup> all;
  for (const Kind& kind : kinds_of(study)) {
    std::vector<SizeGroup> groups = by_size(study, kind, validation_loss);
    std::erase_if(groups, [least](const SizeGroup& group) { return group.bits < least; });
    if (groups.empty()) continue;
    all.insert(all.end(), groups.begin(), groups.end());
    Series points = points_of(kind, groups, &SizeGroup::bits);
    chart.series.push_back(joined(points));
    points.named = false;
    points.low.clear(), points.high.clear();
    chart.series.push_back(points);
  }
  if (!all.empty()) chart.series.insert(chart.series.begin(), front_of(all));
  return chart;
}

/// Where losses of small models are far above the others, the larger ones are drawn once more, by themselves.
std::vector<Figure> loss_against_bits(const ReportInput& input) {
  const char* const kTitle = "Validation loss against size";
  const char* const kCaption = "Means over seeds. The broad line joins the models that no smaller one beats (Pareto front).";
  const std::string command = with_analysis(input, "pareto");
  Chart whole = bits_chart(*input.study, 0, kTitle);
  whole.log_y = spread_out(*input.study);
  std::vector<Figure> figures = {{"loss-bits", kTitle, {whole}, kCaption, {}, command}};
  if (!whole.log_y) return figures;
  double smallest = HUGE_VAL, largest = 0;
  for (const StudyModel& model : input.study->models)
    smallest = std::min(smallest, model.size_bits), largest = std::max(largest, model.size_bits);
  const std::string title = std::string(kTitle) + ", the larger models";
  const Chart upper = bits_chart(*input.study, std::sqrt(smallest * largest) / 2, title);
  figures.push_back({"loss-bits-larger", title, {upper}, kCaption, {}, command});
  return figures;
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
  std::vector<Figure> figures = {loss_against_parameters(input)};
  for (Figure& figure : loss_against_bits(input)) figures.push_back(std::move(figure));
  figures.push_back(paper_laws(input));
  figures.push_back(gaps(input));
  return {"loss", "Loss and size", "", figures};
}

}  // namespace spectra::analysis
