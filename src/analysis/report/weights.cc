// SPDX-License-Identifier: Apache-2.0
// The weights at the end: distributions and entropy of FloatLMs, and which connections the largest TriLM has.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "analysis/chart/heat_map.h"
#include "analysis/report/sections.h"

namespace spectra::analysis {
namespace {

constexpr int kBars = 1000;           // over the whole range of the histograms
constexpr double kShownSigmas = 4.5;  // on either side, of the widest distribution

double density(const GaussianFit& fit, double x) {
  const double z = (x - fit.mean) / fit.sigma;
  return std::exp(-z * z / 2) / (fit.sigma * std::sqrt(2 * M_PI));
}

/// The histogram as a line beside the normal distribution of the same mean and variance.
Chart histogram_chart(const WeightDistribution& one, double range, double shown) {
  Chart chart{"FloatLM " + one.size, "weight", "density", {}};
  chart.small = true;
  Series weights{"weights", {}, {}, kind_colour(kFloatLM)}, normal{"normal", {}, {}, kNeutral};
  normal.dashed = true;
  normal.hover = false;
  const std::vector<int64_t> counts = one.histogram.counts(kBars);
  double total = 0;
  for (const int64_t count : counts) total += static_cast<double>(count);
  const double width = 2 * range / kBars;
  for (int bar = 0; bar < kBars; ++bar) {
    const double x = -range + (bar + 0.5) * width;
    if (std::abs(x) > shown) continue;
    weights.x.push_back(x), normal.x.push_back(x);
    weights.y.push_back(static_cast<double>(counts[static_cast<size_t>(bar)]) / total / width);
    normal.y.push_back(density(one.fit, x));
    weights.notes.push_back("FloatLM " + one.size);
  }
  chart.series = {weights, normal};
  return chart;
}

Chart differential_chart(const StudyWeights& weights) {
  Chart chart{"Differential entropy of the weights", "parameters", "bits", {}};
  chart.log_x = true;
  Series series{"FloatLM", {}, {}, kind_colour(kFloatLM)};
  for (const WeightDistribution& one : weights.floats) {
    series.x.push_back(one.parameters);
    series.y.push_back(differential_entropy(one.fit.sigma));
    series.notes.push_back(
        fmt::format("FloatLM {}, σ {:.4f}, excess kurtosis {:.2f}", one.size, one.fit.sigma, one.fit.excess_kurtosis));
  }
  if (!series.x.empty()) chart.series.push_back(series);
  return chart;
}

Chart shannon_chart(const StudyWeights& weights) {
  Chart chart{"Shannon entropy of binned weights", "bins", "bits", {}};
  for (size_t i = 0; i < weights.floats.size(); ++i) {
    const WeightDistribution& one = weights.floats[i];
    Series series{one.size, {}, {}, kind_colour(kFloatLM)};
    series.opacity = 0.45 + 0.55 * static_cast<double>(i + 1) / static_cast<double>(weights.floats.size());
    for (int bins = 100; bins <= 900; bins += 100) {
      series.x.push_back(bins);
      series.y.push_back(shannon_entropy(one.histogram.counts(bins)));
      series.notes.push_back("FloatLM " + one.size);
    }
    chart.series.push_back(series);
  }
  return chart;
}

/// Share of zeros of each layer (columns) and projection (rows).
HeatMap layers_map(const StudyWeights& weights) {
  HeatMap map{
      "Zeros by layer", "layer, from the first on the left", "zero weights by projection", {}, {}, kind_colour(kTriLM), " %"};
  for (const MatrixConnections& matrix : weights.connections) {
    auto row = std::find(map.rows.begin(), map.rows.end(), matrix.place.projection);
    if (row == map.rows.end()) row = map.rows.insert(map.rows.end(), matrix.place.projection), map.cells.emplace_back();
    auto& cells = map.cells[static_cast<size_t>(row - map.rows.begin())];
    cells.resize(std::max(cells.size(), matrix.place.layer + 1), kUnknown);
    cells[matrix.place.layer] = 100 * matrix.all.share(matrix.all.zero);
  }
  return map;
}

/// Share of zeros of each head of the attention's projections, layer after layer.
HeatMap heads_map(const StudyWeights& weights) {
  HeatMap map{"Zeros by head", "heads, layer after layer", "zero weights by projection", {}, {}, kind_colour(kTriLM), " %"};
  for (const MatrixConnections& matrix : weights.connections) {
    const std::string& name = matrix.place.projection;
    if (!matrix.place.heads) continue;
    auto row = std::find(map.rows.begin(), map.rows.end(), name);
    if (row == map.rows.end()) row = map.rows.insert(map.rows.end(), name), map.cells.emplace_back();
    for (const Codes3& head : matrix.parts)
      map.cells[static_cast<size_t>(row - map.rows.begin())].push_back(100 * head.share(head.zero));
  }
  return map;
}

Table connection_table(const StudyWeights& weights) {
  Table table{{"matrix", "part", "minus", "zero", "plus"}, {}};
  const auto add = [&](const std::string& name, const std::string& part, const Codes3& codes) {
    table.rows.push_back({name, part, Cell(static_cast<double>(codes.minus)), Cell(static_cast<double>(codes.zero)),
                          Cell(static_cast<double>(codes.plus))});
  };
  for (const MatrixConnections& matrix : weights.connections) {
    add(matrix.name, "all", matrix.all);
    if (matrix.place.heads)  // neurons would be thousands of lines
      for (size_t i = 0; i < matrix.parts.size(); ++i) add(matrix.name, fmt::format("head {}", i), matrix.parts[i]);
  }
  return table;
}

}  // namespace

Section weights_section(const ReportInput& input) {
  Section section{"weights", "Weights", ""};
  const StudyWeights& weights = input.weights;
  const std::string command = weights.floats.empty() ? input.command : with_analysis(input, "weights", weights.floats.back().path);
  double widest = 0;
  for (const WeightDistribution& one : weights.floats) widest = std::max(widest, one.fit.sigma);
  Figure histograms{"weight-histograms",
                    "Linear weights of the FloatLMs",
                    {},
                    "Densities; dashed: the normal distribution of the same mean and variance.",
                    {},
                    command};
  for (const WeightDistribution& one : weights.floats)
    histograms.charts.push_back(histogram_chart(one, weights.range, std::min(weights.range, kShownSigmas * widest)));
  section.figures = {
      histograms,
      {"differential-entropy",
       "Differential entropy of the weights",
       {differential_chart(weights)},
       "½ log<sub>2</sub>(2πe σ²) of the linear weights. In the paper it falls from about −3.25 bits at 99M to −3.6 at 3.9B.",
       {},
       command},
      {"shannon-entropy",
       "Shannon entropy of binned weights",
       {shannon_chart(weights)},
       fmt::format("Over ±{:g} in so many equal bins.", weights.range),
       {},
       command}};
  if (weights.connections.empty()) return section;
  Figure map{"connections",
             "Connections of " + weights.ternary,
             {},
             "Stronger: more zeros. The data counts −1, 0 and +1 of every matrix and head.",
             connection_table(weights),
             with_analysis(input, "connections", weights.ternary_path)};
  map.maps = {layers_map(weights), heads_map(weights)};
  section.figures.push_back(map);
  return section;
}

}  // namespace spectra::analysis
