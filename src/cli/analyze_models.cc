// SPDX-License-Identifier: Apache-2.0
// What is in a model's linear layers: distribution, entropy, scales, connections; and how connections change.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <memory>

#include "analysis/weights/connections.h"
#include "analysis/weights/histogram.h"
#include "base/error.h"
#include "cli/analyze.h"
#include "model/weight_statistics.h"

namespace spectra::cli {
namespace {

using analysis::Cell;
using analysis::Codes3;
using analysis::Moments;
using analysis::Table;

std::vector<Cell> distribution(const Moments& moments) {
  const analysis::GaussianFit fit = fit_gaussian(moments);
  return {static_cast<double>(moments.count),
          fit.mean,
          fit.sigma,
          fit.excess_kurtosis,
          analysis::differential_entropy(fit.sigma),
          moments.zero_fraction()};
}

void append(std::vector<Cell>& row, const std::vector<Cell>& more) { row.insert(row.end(), more.begin(), more.end()); }

/// A row for each projection over all layers, and one for all.
Table kinds_table(const analysis::WeightHistograms& weights) {
  Table table{{"projection", "weights", "mean", "sigma", "excess_kurtosis", "differential_entropy", "zero_fraction", "ks_distance"},
              {}};
  std::vector<std::string> order;
  std::map<std::string, Moments> moments;
  for (const analysis::MatrixWeights& matrix : weights.matrices) {
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

Table layers_table(const analysis::WeightHistograms& weights, const model::WeightStatistics& statistics) {
  Table table{{"layer", "weights", "mean", "sigma", "excess_kurtosis", "differential_entropy", "zero_fraction", "mean_scale"}, {}};
  std::map<size_t, Moments> moments;
  std::map<size_t, std::vector<double>> scales;
  for (const analysis::MatrixWeights& matrix : weights.matrices) moments[matrix.place.layer].merge(matrix.moments);
  for (const model::MatrixStatistics& matrix : statistics.matrices)
    for (const float scale : matrix.scales) scales[analysis::place_of(matrix.parameter).layer].push_back(scale);
  for (const auto& entry : moments) {
    std::vector<Cell> row = {static_cast<double>(entry.first)};
    append(row, distribution(entry.second));
    double sum = 0;
    for (const double scale : scales[entry.first]) sum += scale;
    row.push_back(sum / static_cast<double>(scales[entry.first].size()));  // 0 / 0: a float model has none
    table.rows.push_back(row);
  }
  return table;
}

Table entropy_table(const analysis::Histogram& histogram) {
  Table table{{"bins", "shannon_entropy"}, {}};
  for (int bins = 100; bins <= 900; bins += 100)
    table.rows.push_back({static_cast<double>(bins), analysis::shannon_entropy(histogram.counts(bins))});
  return table;
}

Table histogram_table(const analysis::WeightHistograms& weights) {
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

void add_shares(std::vector<Cell>& row, const Codes3& codes) {
  row.insert(row.end(), {Cell(codes.share(codes.minus)), Cell(codes.share(codes.zero)), Cell(codes.share(codes.plus))});
}

Tables connection_tables(const std::vector<analysis::MatrixConnections>& matrices) {
  Table all{{"layer", "projection", "minus", "zero", "plus", "emptiest_part", "fullest_part", "empty_parts"}, {}};
  Table heads{{"layer", "projection", "head", "minus", "zero", "plus"}, {}}, neurons = heads;
  neurons.columns[2] = "neuron";
  for (const analysis::MatrixConnections& matrix : matrices) {
    const double layer = static_cast<double>(matrix.place.layer);
    std::vector<double> zeros;
    Table& parts = matrix.place.heads ? heads : neurons;
    for (size_t i = 0; i < matrix.parts.size(); ++i) {
      const Codes3& part = matrix.parts[i];
      zeros.push_back(part.share(part.zero));
      std::vector<Cell> row = {layer, matrix.place.projection, static_cast<double>(i)};
      add_shares(row, part);
      parts.rows.push_back(row);
    }
    std::vector<Cell> row = {layer, matrix.place.projection};
    add_shares(row, matrix.all);
    append(row, {*std::max_element(zeros.begin(), zeros.end()), *std::min_element(zeros.begin(), zeros.end()),
                 static_cast<double>(std::count(zeros.begin(), zeros.end(), 1.0))});
    all.rows.push_back(row);
  }
  return {{"matrices", all,
           "shares of codes; zeros of the heads (q, k, v, o) or neurons (gate, up, down) with most and fewest, and how many have "
           "nothing else"},
          {"heads", heads, "rows of q, k, v and columns of o"},
          {"neurons", neurons, "rows of gate and up, columns of down"}};
}

/// Model directories of a run, oldest first, or the paths themselves.
std::vector<fs::path> models_of(const std::vector<std::string>& inputs) {
  std::vector<fs::path> models(inputs.begin(), inputs.end());
  if (models.size() == 1 && fs::is_directory(models[0] / "checkpoints")) {
    const fs::path run = models[0];
    models.clear();
    for (const auto& entry : fs::directory_iterator(run / "checkpoints"))
      if (entry.path().filename().string().rfind("step-", 0) == 0) models.push_back(entry.path());
    std::sort(models.begin(), models.end());
    if (models.empty()) throw bad_input(fmt::format("{} has no checkpoint yet", run.string()), "wait for the first one");
  }
  return models;
}

/// A model directory with its low-bit view.
struct OpenedModel {
  explicit OpenedModel(const fs::path& path) : directory(path), model(directory) {}
  format::ModelDirectory directory;
  analysis::LowBitModel model;
  std::string name() const { return directory.path().filename().string(); }
};
using OpenedModels = std::vector<std::unique_ptr<OpenedModel>>;

/// From each model to the next: a row for each layer, and one for all.
Table flip_table(const OpenedModels& models) {
  Table table{{"from", "to", "layer", "weights", "to_zero", "from_zero", "sign_changes"}, {}};
  for (size_t i = 1; i < models.size(); ++i) {
    const OpenedModel &from = *models[i - 1], &to = *models[i];
    std::map<size_t, analysis::Flips> layers;
    analysis::Flips all;
    for (const analysis::Flips& matrix : analysis::flips(from.model, to.model))
      for (analysis::Flips* sum : {&layers[matrix.place.layer], &all})
        sum->weights += matrix.weights, sum->to_zero += matrix.to_zero, sum->from_zero += matrix.from_zero,
            sum->sign_changes += matrix.sign_changes;
    const auto add = [&](const std::string& layer, const analysis::Flips& sum) {
      const double weights = static_cast<double>(sum.weights);
      table.rows.push_back({from.name(), to.name(), layer, weights, static_cast<double>(sum.to_zero) / weights,
                            static_cast<double>(sum.from_zero) / weights, static_cast<double>(sum.sign_changes) / weights});
    };
    for (const auto& entry : layers) add(std::to_string(entry.first), entry.second);
    add("all", all);
  }
  return table;
}

}  // namespace

Tables analyze_weights(const AnalyzeOptions& options) {
  const format::ModelDirectory directory(only_input(options, "a model"));
  const model::Config config = model::config_from_json(directory.config_json(), (directory.path() / "config.json").string());
  const analysis::WeightHistograms weights = analysis::weight_histograms(directory, options.range);
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
           fmt::format("of a histogram with so many bins from -{0} to {0}, in bits", options.range)},
          {"histogram", histogram_table(weights)}};
}

Tables analyze_connections(const AnalyzeOptions& options) {
  if (options.inputs.empty())
    throw Error(Exit::kUsage, "spectra analyze connections needs a model, several checkpoints, or a run", "name its directory");
  OpenedModels models;
  for (const fs::path& path : models_of(options.inputs)) {
    models.push_back(std::make_unique<OpenedModel>(path));
    analysis::check_same_shapes(models.front()->model, models.back()->model);
  }
  Tables tables = connection_tables(analysis::connections(models.back()->model));
  tables[0].note += "; " + models.back()->model.path();
  if (models.size() > 1) tables.push_back({"flips", flip_table(models), "shares of the weights that changed, and how"});
  return tables;
}

}  // namespace spectra::cli
