// SPDX-License-Identifier: Apache-2.0
// What is in a model's linear layers: distribution, entropy, scales.
#include <fmt/format.h>

#include <map>

#include "analysis/tables/tables.h"
#include "analysis/weights/histogram.h"
#include "model/weight_statistics.h"

namespace spectra::analysis {
namespace {

std::vector<Cell> distribution(const Moments& moments) {
  const GaussianFit fit = fit_gaussian(moments);
  return {static_cast<double>(moments.count),
          fit.mean,
          fit.sigma,
          fit.excess_kurtosis,
          differential_entropy(fit.sigma),
          moments.zero_fraction()};
}

void append(std::vector<Cell>& row, const std::vector<Cell>& more) { row.insert(row.end(), more.begin(), more.end()); }

/// A row for each projection over all layers, and one for all.
Table kinds_table(const WeightHistograms& weights) {
  Table table{{"projection", "weights", "mean", "sigma", "excess_kurtosis", "differential_entropy", "zero_fraction", "ks_distance"},
              {}};
  std::vector<std::string> order;
  std::map<std::string, Moments> moments;
  for (const MatrixWeights& matrix : weights.matrices) {
    if (moments.count(matrix.place.projection) == 0) order.push_back(matrix.place.projection);
    moments[matrix.place.projection].merge(matrix.moments);
    moments["all"].merge(matrix.moments);
  }
  order.push_back("all");
  for (const std::string& kind : order) {
    std::vector<Cell> row = {kind};
    append(row, distribution(moments.at(kind)));
    row.push_back(weights.by_kind.at(kind).distance_from(fit_gaussian(moments.at(kind))));
    table.rows.push_back(row);
  }
  return table;
}

Table layers_table(const WeightHistograms& weights, const model::WeightStatistics& statistics) {
  Table table{{"layer", "weights", "mean", "sigma", "excess_kurtosis", "differential_entropy", "zero_fraction", "mean_scale"}, {}};
  std::map<size_t, Moments> moments;
  std::map<size_t, std::vector<double>> scales;
  for (const MatrixWeights& matrix : weights.matrices) moments[matrix.place.layer].merge(matrix.moments);
  for (const model::MatrixStatistics& matrix : statistics.matrices)
    for (const float scale : matrix.scales) scales[place_of(matrix.parameter).layer].push_back(scale);
  for (const auto& entry : moments) {
    std::vector<Cell> row = {static_cast<double>(entry.first)};
    append(row, distribution(entry.second));
    double sum = 0;
    for (const double scale : scales[entry.first]) sum += scale;
    row.push_back(sum / static_cast<double>(scales[entry.first].size()));  // NaN for a float model, which has no scales
    table.rows.push_back(row);
  }
  return table;
}

Table entropy_table(const Histogram& histogram) {
  Table table{{"bins", "shannon_entropy"}, {}};
  for (int bins = 100; bins <= 900; bins += 100)
    table.rows.push_back({static_cast<double>(bins), shannon_entropy(histogram.counts(bins))});
  return table;
}

Table histogram_table(const WeightHistograms& weights) {
  constexpr int kBins = 400;
  Table table{{"from"}, {}};
  std::vector<std::vector<int64_t>> counts;
  for (const auto& entry : weights.by_kind) {
    table.columns.push_back(entry.first);
    counts.push_back(entry.second.counts(kBins));
  }
  const double range = weights.by_kind.at("all").range();
  for (size_t bin = 0; bin < kBins; ++bin) {
    std::vector<Cell> row = {-range + 2 * range * static_cast<double>(bin) / kBins};
    for (const auto& column : counts) row.push_back(static_cast<double>(column[bin]));
    table.rows.push_back(row);
  }
  return table;
}

}  // namespace

Tables weights_tables(const fs::path& model, double range) {
  const format::ModelDirectory directory(model);
  const model::Config config = model::config_from_json(directory.config_json(), (directory.path() / "config.json").string());
  const WeightHistograms weights = weight_histograms(directory, range);
  const model::WeightStatistics statistics = model::weight_statistics(directory, config);
  std::string note = "linear weights beside a normal distribution; entropy in bits";
  if (statistics.family != model::Family::kFloat)
    note += fmt::format(
        "; these are {} weights: sigma, differential_entropy and ks_distance are of a normal distribution that they "
        "do not have",
        model::family_name(statistics.family));
  return {{"projections", kinds_table(weights), note},
          {"layers", layers_table(weights, statistics)},
          {"entropy", entropy_table(weights.by_kind.at("all")),
           fmt::format("of a histogram with so many bins from -{0} to {0}, in bits", range)},
          {"histogram", histogram_table(weights)}};
}

}  // namespace spectra::analysis
