// SPDX-License-Identifier: Apache-2.0
#include "train/layer_statistics.h"

#include <cmath>
#include <iterator>
#include <string_view>

namespace spectra::train {
namespace {

constexpr std::string_view kModel = "model.";  // before "layers." in every name: not in the log

LayerStatistics statistics_of(ops::Backend& backend, const model::Config& config, const TrainedParameter& parameter,
                              const ops::QuantizeStats& stats, std::vector<float>& weights) {
  LayerStatistics layer;
  layer.scales.resize(static_cast<size_t>(config.shards));
  backend.copy_out(layer.scales.data(), parameter.scales);
  weights.resize(static_cast<size_t>(parameter.weight.size()));
  backend.copy_out(weights.data(), parameter.weight);
  const auto count = static_cast<double>(weights.size());
  if (config.family == model::Family::kTernary) layer.zero_fraction = static_cast<double>(stats.zeros) / count;
  layer.flip_fraction = static_cast<double>(stats.flips) / count;
  const ThresholdDistance distance =
      threshold_distance(weights, parameter.info.cols, parameter.info.axis, model::shard_bounds(parameter.info, config.shards),
                         layer.scales, config.family);
  layer.near_fraction = distance.near_fraction;
  layer.distance = distance.mean;
  return layer;
}

/// Each matrix as the rank knows it that keeps its masters; `known`: whether this one does.
std::vector<LayerStatistics> gathered(ranks::Ranks& ranks, const std::vector<LayerStatistics>& own, const std::vector<bool>& known,
                                      const model::Config& config) {
  const size_t shards = static_cast<size_t>(config.shards), numbers = 5 + shards;
  std::vector<double> mine;
  for (size_t i = 0; i < own.size(); ++i) {
    const LayerStatistics& layer = own[i];
    const double values[] = {known[i] ? 1.0 : 0.0, layer.zero_fraction.value_or(0), layer.flip_fraction, layer.near_fraction,
                             layer.distance};
    mine.insert(mine.end(), std::begin(values), std::end(values));
    for (size_t s = 0; s < shards; ++s) mine.push_back(known[i] ? static_cast<double>(layer.scales[s]) : 0.0);
  }
  const std::vector<double> all = ranks.gather(mine);
  std::vector<LayerStatistics> result;
  for (size_t i = 0; i < own.size(); ++i) {
    for (size_t rank = 0; rank < static_cast<size_t>(ranks.size()); ++rank) {
      const double* values = &all[rank * mine.size() + i * numbers];
      if (values[0] == 0) continue;
      result.push_back({own[i].name, {values + 5, values + numbers}, std::nullopt, values[2], values[3], values[4]});
      if (config.family == model::Family::kTernary) result.back().zero_fraction = values[1];
      break;
    }
  }
  return result;
}

}  // namespace

ThresholdDistance threshold_distance(const std::vector<float>& weights, int64_t cols, model::ShardAxis axis,
                                     const std::vector<int64_t>& bounds, const std::vector<float>& scales, model::Family family) {
  const bool by_rows = axis == model::ShardAxis::kRows, binary = family == model::Family::kBinary;
  const auto rows = static_cast<int64_t>(weights.size()) / cols;
  int64_t near = 0;
  double sum = 0;
  for (size_t s = 0; s + 1 < bounds.size(); ++s) {
    const int64_t row_begin = by_rows ? bounds[s] : 0, row_end = by_rows ? bounds[s + 1] : rows;
    const int64_t col_begin = by_rows ? 0 : bounds[s], col_end = by_rows ? cols : bounds[s + 1];
    const auto each = [&](const auto& visit) {
      for (int64_t r = row_begin; r < row_end; ++r)
        for (int64_t c = col_begin; c < col_end; ++c) visit(static_cast<double>(weights[static_cast<size_t>(r * cols + c)]));
    };
    double mean = 0;
    if (binary) {
      each([&](double w) { mean += w; });
      mean /= static_cast<double>((row_end - row_begin) * (col_end - col_begin));
    }
    const double scale = scales[s] > 0 ? scales[s] : 1;  // α of a matrix of zeros
    each([&](double w) {
      const double distance = binary ? std::abs(w - mean) / scale : std::abs(std::abs(w) / scale - 0.5);
      near += distance <= kNearThreshold;
      sum += distance;
    });
  }
  const auto count = static_cast<double>(weights.size());
  return {static_cast<double>(near) / count, sum / count};
}

std::vector<LayerStatistics> layer_statistics(ops::Backend& backend, ranks::Ranks& ranks, Transformer& model) {
  const model::Config& config = model.config();
  if (config.family == model::Family::kFloat) return {};
  const std::vector<ops::QuantizeStats> stats = model.quantize_stats();
  std::vector<LayerStatistics> own;
  std::vector<bool> known;
  std::vector<float> weights;
  for (size_t p = 0; p < stats.size(); ++p) {
    const TrainedParameter& parameter = model.parameters()[p];
    if (parameter.info.role != model::Role::kLinear) continue;
    known.push_back(parameter.weight.data != nullptr);
    own.push_back(known.back() ? statistics_of(backend, config, parameter, stats[p], weights) : LayerStatistics{});
    own.back().name = model::module_name(parameter.info.name).substr(kModel.size());
  }
  return gathered(ranks, own, known, config);
}

}  // namespace spectra::train
