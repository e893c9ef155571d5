// SPDX-License-Identifier: Apache-2.0
#include "train/weights.h"

#include <algorithm>
#include <iterator>
#include <numeric>

namespace spectra::train {

using model::Slot;

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

/// Parameters of each block, in file order: those of one layer and part follow each other.
std::vector<size_t> block_counts(const std::vector<model::Parameter>& parameters) {
  std::vector<size_t> counts;
  for (size_t i = 0; i < parameters.size(); ++i) {
    const bool same = i > 0 && parameters[i].layer == parameters[i - 1].layer &&
                      model::part_of(parameters[i].slot) == model::part_of(parameters[i - 1].slot);
    if (!same) counts.push_back(0);
    ++counts.back();
  }
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
    : config_(config),
      precision_(precision),
      memory_(memory),
      infos_(model::parameters(config)),
      counts_(block_counts(infos_)),
      owners_(assign_owners(infos_, counts_, place.ranks)),
      rank_(place.rank) {
  parameters.reserve(infos_.size());
  stats = memory_.tensor(DType::kI64, static_cast<int64_t>(infos_.size()), 2);
  begin_block();
  embedding = stack({Slot::kEmbedding}, true);
  for (int64_t l = 0; l < config.layers; ++l) layers.push_back(layer());
  begin_block();
  final_norm = stack({Slot::kFinalNorm}, true);
  head = config.tied ? quantized(embedding, 0, 1) : linear({Slot::kHead});
  SPECTRA_CHECK(parameters.size() == infos_.size(), "{} of {} parameters placed", parameters.size(), infos_.size());
}

/// In file order: see model::Slot.
LayerWeights Weights::layer() {
  LayerWeights layer;
  begin_block();
  layer.attention_norm = vector(Slot::kInputNorm);
  layer.qkv = projections({{Slot::kQ, Slot::kQLinearNorm}, {Slot::kK, Slot::kKLinearNorm}, {Slot::kV, Slot::kVLinearNorm}});
  if (config_.qkv_bias) layer.biases = {vector(Slot::kQBias), vector(Slot::kKBias), vector(Slot::kVBias)};
  if (config_.head_norms) {
    layer.head_norms.push_back({vector(Slot::kQHeadNorm), 0, config_.heads});
    layer.head_norms.push_back({vector(Slot::kKHeadNorm), config_.heads, config_.kv_heads});
  }
  if (config_.sub_norms) layer.o.steps.push_back({false, vector(Slot::kAttentionSubNorm)});
  add_projection(layer.o, {Slot::kO, Slot::kOLinearNorm});
  begin_block();
  layer.mlp_norm = vector(Slot::kPostNorm);
  layer.gate_up = projections({{Slot::kGate, Slot::kGateLinearNorm}, {Slot::kUp, Slot::kUpLinearNorm}});
  if (config_.sub_norms) layer.down.steps.push_back({false, vector(Slot::kMlpSubNorm)});
  add_projection(layer.down, {Slot::kDown, Slot::kDownLinearNorm});
  return layer;
}

/// The norm right before a linear layer, and rounding, where the config has them.
void Weights::add_steps(std::vector<InputStep>& steps, Slot norm) {
  if (config_.linear_norms == model::LinearNorms::kPlain) steps.push_back({});
  if (config_.linear_norms == model::LinearNorms::kWeighted) steps.push_back({false, vector(norm)});
  if (config_.activations == model::ActivationQuantizer::kInt8) steps.push_back({true, {}});
}

void Weights::add_projection(Projection& projection, const LinearSlots& slots) {
  add_steps(projection.steps, slots.norm);
  projection.linear = linear({slots.linear});
}

/// Linear layers that read the same input: stacked, but where their norms differ.
std::vector<Projection> Weights::projections(const std::vector<LinearSlots>& slots) {
  std::vector<Projection> result;
  if (config_.linear_norms != model::LinearNorms::kWeighted) {
    result.emplace_back();
    add_steps(result[0].steps, slots[0].norm);
    std::vector<Slot> linears;
    for (const LinearSlots& one : slots) linears.push_back(one.linear);
    result[0].linear = linear(linears);
    return result;
  }
  result.resize(slots.size());  // in the file all norms come first
  for (size_t i = 0; i < slots.size(); ++i) add_steps(result[i].steps, slots[i].norm);
  for (size_t i = 0; i < slots.size(); ++i) result[i].linear = linear({slots[i].linear});
  return result;
}

/// The next block's parameters: one tensor for all their gradients, so that they can travel together.
void Weights::begin_block() {
  Block block;
  block.first = parameters.size();
  block.count = counts_[blocks.size()];
  block.owner = owners_[blocks.size()];
  int64_t elements = 0;
  for (size_t i = block.first; i < block.first + block.count; ++i) elements += padded(infos_[i].rows * infos_[i].cols);
  block.gradient = memory_.tensor(precision_.master, 1, elements);
  blocks.push_back(block);
  placed_ = 0;
}

/// Places the next parameters, which are those of `slots`. `everywhere`: the forward pass reads the master weight itself, so every
/// rank keeps it.
Stacked Weights::stack(const std::vector<Slot>& slots, bool everywhere) {
  Block& block = blocks.back();
  const size_t first = parameters.size();
  const int64_t cols = infos_[first].cols;
  int64_t rows = 0;
  for (size_t i = first; i < first + slots.size(); ++i) rows += infos_[i].rows;
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
  for (const Slot slot : slots) {
    TrainedParameter parameter;
    parameter.info = infos_[parameters.size()];
    SPECTRA_CHECK(parameter.info.slot == slot, "{} in slot {}", parameter.info.name, static_cast<int>(slot));
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

Linear Weights::linear(const std::vector<Slot>& slots) {
  const size_t first = parameters.size();
  return quantized(stack(slots, false), first, slots.size());
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
    const bool everywhere = parameter.info.role == model::Role::kEmbedding || parameter.info.vector();
    if (parameter.owned || everywhere) total.masters += bytes(parameter.weight);
    if (parameter.owned) total.moments += 2 * bytes(parameter.weight);
  }
  for (const Block& block : weights.blocks) total.gradients += bytes(block.gradient);
  return total;
}

}  // namespace spectra::train
