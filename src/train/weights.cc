// SPDX-License-Identifier: Apache-2.0
#include "train/weights.h"

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

}  // namespace

Weights::Weights(const model::Config& config, Precision precision, Memory& memory)
    : config_(config), precision_(precision), memory_(memory), infos_(model::parameters(config)) {
  parameters.reserve(infos_.size());
  embedding = stack(1);
  for (int64_t l = 0; l < config.layers; ++l) {
    LayerWeights layer;
    layer.attention_norm = stack(1);
    layer.qkv = linear(3);
    layer.o = linear(1);
    layer.mlp_norm = stack(1);
    layer.gate_up = linear(2);
    layer.down = linear(1);
    layers.push_back(layer);
  }
  final_norm = stack(1);
  head = config.tied ? quantized(embedding, 0, 1) : linear(1);
  SPECTRA_CHECK(parameters.size() == infos_.size(), "{} of {} parameters placed", parameters.size(), infos_.size());
}

/// Places the next `count` parameters.
Stacked Weights::stack(int count) {
  const size_t first = parameters.size();
  const int64_t cols = infos_[first].cols;
  int64_t rows = 0;
  for (size_t i = first; i < first + static_cast<size_t>(count); ++i) rows += infos_[i].rows;
  TrainedParameter all;
  for (ops::Tensor* tensor : {&all.weight, &all.gradient, &all.moment1, &all.moment2}) {
    *tensor = memory_.tensor(precision_.master, rows, cols);
  }
  int64_t row = 0;
  for (int i = 0; i < count; ++i) {
    TrainedParameter parameter;
    parameter.info = infos_[parameters.size()];
    SPECTRA_CHECK(parameter.info.cols == cols, "{}: {} columns beside {}", parameter.info.name, parameter.info.cols, cols);
    const int64_t own = parameter.info.rows;
    parameter.weight = all.weight.row_range(row, own);
    parameter.gradient = all.gradient.row_range(row, own);
    parameter.moment1 = all.moment1.row_range(row, own);
    parameter.moment2 = all.moment2.row_range(row, own);
    parameters.push_back(parameter);
    row += own;
  }
  return {all.weight, all.gradient};
}

Linear Weights::linear(int count) {
  const size_t first = parameters.size();
  return quantized(stack(count), first, static_cast<size_t>(count));
}

/// Codes for `count` parameters from `first`, which fill `stacked`. Embedding and head stay float in every family.
Linear Weights::quantized(const Stacked& stacked, size_t first, size_t count) {
  Linear result;
  result.gradient = stacked.gradient;
  result.weight.codes = memory_.tensor(precision_.activation, stacked.weight.rows, stacked.weight.cols);
  const model::Parameter& info = parameters[first].info;
  const bool low_bit = info.role == model::Role::kLinear && config_.family != model::Family::kFloat;
  const bool by_rows = info.axis == model::ShardAxis::kRows;
  if (low_bit) {
    const int64_t lines = by_rows ? stacked.weight.rows : stacked.weight.cols;
    (by_rows ? result.weight.row_scale : result.weight.col_scale) = memory_.tensor(DType::kF32, 1, lines).as<float>();
  }
  int64_t row = 0;
  for (size_t i = first; i < first + count; ++i) {
    TrainedParameter& parameter = parameters[i];
    ops::QuantizeSpec spec;
    spec.row_begin = row;
    if (low_bit) {
      spec.kind = kind_of(config_.family);
      spec.by_rows = by_rows;
      spec.bounds = model::shard_bounds(parameter.info, config_.shards);
      parameter.scales = memory_.tensor(precision_.master, 1, config_.shards);
      parameter.stats = static_cast<ops::QuantizeStats*>(memory_.tensor(DType::kI64, 1, 2).data);
    }
    quantizations_.push_back({result.weight, spec, i});
    row += parameter.info.rows;
  }
  return result;
}

void Weights::quantize(ops::Backend& backend) {
  for (Quantization& q : quantizations_) {
    TrainedParameter& parameter = parameters[q.parameter];
    backend.quantize_weight(q.target, q.spec, parameter.weight, parameter.scales, parameter.stats);
  }
}

}  // namespace spectra::train
