// SPDX-License-Identifier: Apache-2.0
#include "train/weights.h"

#include <algorithm>
#include <iterator>
#include <numeric>

namespace spectra::train {

namespace {

ops::WeightKind kind_of(model::Family family) {
  switch (family) {
    case model::Family::kTernary:
      return ops::WeightKind::kTernary;
    case model::Family::kBinary:
      return ops::WeightKind::kBinary;
    default:
      return ops::WeightKind::kFloat;
  }
}

/// Parameters of each block, in file order: embedding; norm, q, k, v, o and norm, gate, up, down of each layer; norm and head.
std::vector<size_t> block_counts(const model::Config& config) {
  std::vector<size_t> counts = {1};
  for (int64_t l = 0; l < config.layers; ++l) counts.insert(counts.end(), {5, 4});
  counts.push_back(config.tied ? 1 : 2);
  return counts;
}

/// Tensors of a block begin at multiples of a cache line.
int64_t padded(int64_t elements) { return (elements + 15) / 16 * 16; }

/// The largest block goes to the rank that has least, and so on.
std::vector<int> assign_owners(const std::vector<model::Parameter>& parameters, const std::vector<size_t>& counts, int ranks) {
  std::vector<int64_t> sizes(counts.size(), 0), load(static_cast<size_t>(ranks), 0);
  size_t parameter = 0;
  for (size_t block = 0; block < counts.size(); ++block)
    for (size_t i = 0; i < counts[block]; ++i, ++parameter) sizes[block] += parameters[parameter].rows * parameters[parameter].cols;
  std::vector<size_t> order(counts.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return sizes[a] > sizes[b]; });
  std::vector<int> owners(counts.size(), 0);
  for (const size_t block : order) {
    const auto least = std::min_element(load.begin(), load.end());
    *least += sizes[block];
    owners[block] = static_cast<int>(least - load.begin());
  }
  return owners;
}

}  // namespace

Weights::Weights(const model::Config& config, Precision precision, const Place& place, Memory& memory)
    : config_(config), precision_(precision), memory_(memory), infos_(model::parameters(config)), rank_(place.rank) {
  const std::vector<size_t> counts = block_counts(config);
  owners_ = assign_owners(infos_, counts, place.ranks);
  parameters.reserve(infos_.size());
  stats = memory_.tensor(DType::kI64, static_cast<int64_t>(infos_.size()), 2);
  begin_block(1);
  embedding = stack(1, true);
  for (int64_t l = 0; l < config.layers; ++l) {
    LayerWeights layer;
    begin_block(5);
    layer.attention_norm = stack(1, true);
    layer.qkv = linear(3);
    layer.o = linear(1);
    begin_block(4);
    layer.mlp_norm = stack(1, true);
    layer.gate_up = linear(2);
    layer.down = linear(1);
    layers.push_back(layer);
  }
  begin_block(counts.back());
  final_norm = stack(1, true);
  head = config.tied ? quantized(embedding, 0, 1) : linear(1);
  SPECTRA_CHECK(parameters.size() == infos_.size(), "{} of {} parameters placed", parameters.size(), infos_.size());
}

/// The next `count` parameters: one tensor for all their gradients, so that they can travel together.
void Weights::begin_block(size_t count) {
  Block block;
  block.first = parameters.size();
  block.count = count;
  block.owner = owners_[blocks.size()];
  int64_t elements = 0;
  for (size_t i = block.first; i < block.first + count; ++i) elements += padded(infos_[i].rows * infos_[i].cols);
  block.gradient = memory_.tensor(precision_.master, 1, elements);
  blocks.push_back(block);
  placed_ = 0;
}

/// Places the next `count` parameters. `everywhere`: the forward pass reads the master weight itself, so every rank keeps it.
Stacked Weights::stack(int count, bool everywhere) {
  Block& block = blocks.back();
  const size_t first = parameters.size();
  const int64_t cols = infos_[first].cols;
  int64_t rows = 0;
  for (size_t i = first; i < first + static_cast<size_t>(count); ++i) rows += infos_[i].rows;
  const bool owned = block.owner == rank_;
  const auto stacked = [&](bool kept) { return kept ? memory_.tensor(precision_.master, rows, cols) : ops::Tensor(); };
  TrainedParameter all;
  all.weight = stacked(owned || everywhere);
  all.moment1 = stacked(owned);
  all.moment2 = stacked(owned);
  all.gradient = block.gradient.col_range(placed_, rows * cols);
  all.gradient = {all.gradient.data, precision_.master, rows, cols};
  placed_ += padded(rows * cols);
  int64_t row = 0;
  for (int i = 0; i < count; ++i) {
    TrainedParameter parameter;
    parameter.info = infos_[parameters.size()];
    SPECTRA_CHECK(parameter.info.cols == cols, "{}: {} columns beside {}", parameter.info.name, parameter.info.cols, cols);
    const int64_t own = parameter.info.rows;
    const auto part = [&](const ops::Tensor& tensor) {
      return tensor.data == nullptr ? ops::Tensor(nullptr, precision_.master, own, cols) : tensor.row_range(row, own);
    };
    parameter.weight = part(all.weight);
    parameter.gradient = part(all.gradient);
    parameter.moment1 = part(all.moment1);
    parameter.moment2 = part(all.moment2);
    parameter.block = blocks.size() - 1;
    parameter.owned = owned;
    parameters.push_back(parameter);
    row += own;
  }
  if (everywhere) block.shared.push_back(all.weight);
  return {all.weight, all.gradient};
}

Linear Weights::linear(int count) {
  const size_t first = parameters.size();
  return quantized(stack(count, false), first, static_cast<size_t>(count));
}

/// Codes for `count` parameters from `first`, which fill `stacked`. Embedding and head stay float in every family.
Linear Weights::quantized(const Stacked& stacked, size_t first, size_t count) {
  Linear result;
  result.gradient = stacked.gradient;
  const size_t block = parameters[first].block;
  std::vector<ops::Tensor>& shared = blocks[block].shared;
  result.weight.codes = memory_.tensor(precision_.activation, stacked.gradient.rows, stacked.gradient.cols);
  shared.push_back(result.weight.codes);
  const bool low_bit = parameters[first].info.role == model::Role::kLinear && config_.family != model::Family::kFloat;
  if (low_bit) {
    add_shards(result.weight, first, count);
    shared.push_back(result.weight.scales);
  }
  int64_t row = 0;
  for (size_t i = first; i < first + count; ++i) {
    quantizations_.push_back({result.weight, low_bit ? kind_of(config_.family) : ops::WeightKind::kFloat, row, i, block});
    row += parameters[i].info.rows;
  }
  return result;
}

/// The scales of `count` low-bit parameters from `first`, whose codes fill `weight`: one after another.
void Weights::add_shards(ops::QuantizedWeight& weight, size_t first, size_t count) {
  weight.by_rows = parameters[first].info.axis == model::ShardAxis::kRows;
  weight.scales = memory_.tensor(precision_.master, 1, static_cast<int64_t>(count) * config_.shards);
  weight.bounds = {0};
  for (size_t i = first; i < first + count; ++i) {
    TrainedParameter& parameter = parameters[i];
    const std::vector<int64_t> bounds = model::shard_bounds(parameter.info, config_.shards);
    const int64_t begin = weight.bounds.back();
    parameter.scales = weight.scales.col_range(weight.shards(), config_.shards);
    parameter.stats = stats.row_range(static_cast<int64_t>(i), 1);
    std::transform(bounds.begin() + 1, bounds.end(), std::back_inserter(weight.bounds),
                   [&](int64_t bound) { return begin + bound; });
  }
}

void Weights::quantize(ops::Backend& backend, size_t block) {
  for (const Quantization& q : quantizations_) {
    if (q.block != block) continue;
    const TrainedParameter& parameter = parameters[q.parameter];
    backend.quantize_weight(q.target, q.kind, q.row_begin, parameter.weight, parameter.stats);
  }
}

ParameterBytes parameter_bytes(const model::Config& config, Place place) {
  Memory counted(nullptr);
  const Weights weights(config, {DType::kF32, DType::kF32}, place, counted);
  const auto bytes = [](const ops::Tensor& tensor) { return tensor.bytes(); };
  ParameterBytes total;
  for (const TrainedParameter& parameter : weights.parameters) {
    const bool embedding_or_norm = parameter.info.role == model::Role::kEmbedding || parameter.info.role == model::Role::kNorm;
    if (parameter.owned || embedding_or_norm) total.masters += bytes(parameter.weight);
    if (parameter.owned) total.moments += 2 * bytes(parameter.weight);
  }
  for (const Block& block : weights.blocks) total.gradients += bytes(block.gradient);
  return total;
}

}  // namespace spectra::train
