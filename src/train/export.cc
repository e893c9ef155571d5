// SPDX-License-Identifier: Apache-2.0
// The trained weights as an fp16 model.
#include <algorithm>

#include "base/half.h"
#include "format/safetensors.h"
#include "train/checkpoint.h"

namespace spectra::train {
namespace {

using model::Parameter;
using model::Role;

/// Reads parameters from the device as the GEMMs see them. Codes come from the backend's own quantizer, run again on the
/// masters into scratch memory, so they are those of training by construction, also where W/γ is a hair from 0.5.
class WeightReader {
 public:
  WeightReader(ops::Backend& backend, Transformer& transformer);
  /// (rows, cols) values of fp16 precision: γ·code, ±α, or the master rounded to fp16.
  const std::vector<float>& read(const TrainedParameter& parameter);

 private:
  void scale_codes(const Parameter& info, const std::vector<float>& scales, const std::vector<int64_t>& bounds);
  ops::Backend& backend_;
  const model::Config& config_;
  ops::Buffer codes_, axis_scales_, scales_;
  std::vector<float> values_;
};

WeightReader::WeightReader(ops::Backend& backend, Transformer& transformer) : backend_(backend), config_(transformer.config()) {
  int64_t elements = 0, lines = 0;
  for (const TrainedParameter& parameter : transformer.parameters()) {
    if (parameter.info.role != Role::kLinear) continue;
    elements = std::max(elements, parameter.info.rows * parameter.info.cols);
    lines = std::max({lines, parameter.info.rows, parameter.info.cols});
  }
  if (config_.family == model::Family::kFloat) return;
  codes_ = backend.allocate(static_cast<size_t>(elements) * dtype_size(backend.activation()));
  axis_scales_ = backend.allocate(static_cast<size_t>(lines) * sizeof(float));
  scales_ = backend.allocate(static_cast<size_t>(config_.shards) * dtype_size(backend.master()));
}

const std::vector<float>& WeightReader::read(const TrainedParameter& parameter) {
  const Parameter& info = parameter.info;
  values_.resize(static_cast<size_t>(info.rows * info.cols));
  if (info.role != Role::kLinear || config_.family == model::Family::kFloat) {
    backend_.copy_out(values_.data(), parameter.weight);
    return values_;
  }
  const bool by_rows = info.axis == model::ShardAxis::kRows;
  ops::QuantizedWeight quantized;
  quantized.codes = {codes_.data(), backend_.activation(), info.rows, info.cols};
  (by_rows ? quantized.row_scale : quantized.col_scale) = static_cast<float*>(axis_scales_.data());
  ops::QuantizeSpec spec;
  spec.kind = config_.family == model::Family::kTernary ? ops::WeightKind::kTernary : ops::WeightKind::kBinary;
  spec.by_rows = by_rows;
  spec.bounds = model::shard_bounds(info, config_.shards);
  const ops::Tensor scales(scales_.data(), backend_.master(), 1, config_.shards);
  backend_.quantize_weight(quantized, spec, parameter.weight, scales, nullptr);
  backend_.copy_out(values_.data(), quantized.codes);
  std::vector<float> host_scales(static_cast<size_t>(config_.shards));
  backend_.copy_out(host_scales.data(), scales);
  scale_codes(info, host_scales, spec.bounds);
  return values_;
}

void WeightReader::scale_codes(const Parameter& info, const std::vector<float>& scales, const std::vector<int64_t>& bounds) {
  const bool by_rows = info.axis == model::ShardAxis::kRows;
  for (size_t s = 0; s + 1 < bounds.size(); ++s) {
    const int64_t row_begin = by_rows ? bounds[s] : 0, row_end = by_rows ? bounds[s + 1] : info.rows;
    const int64_t col_begin = by_rows ? 0 : bounds[s], col_end = by_rows ? info.cols : bounds[s + 1];
    for (int64_t r = row_begin; r < row_end; ++r)
      for (int64_t c = col_begin; c < col_end; ++c) values_[static_cast<size_t>(r * info.cols + c)] *= scales[s];
  }
}

std::vector<int64_t> file_shape(const Parameter& info) {
  return info.role == Role::kNorm ? std::vector<int64_t>{info.cols} : std::vector<int64_t>{info.rows, info.cols};
}

}  // namespace

std::string write_model_file(const fs::path& path, ops::Backend& backend, Transformer& transformer) {
  std::vector<format::SafetensorsWriter::Entry> entries;
  for (const TrainedParameter& parameter : transformer.parameters())
    entries.push_back({parameter.info.name, DType::kF16, file_shape(parameter.info)});
  format::SafetensorsWriter writer(path, entries);
  WeightReader reader(backend, transformer);
  std::vector<fp16> halves;
  for (const TrainedParameter& parameter : transformer.parameters()) {
    const std::vector<float>& values = reader.read(parameter);
    halves.resize(values.size());
    std::transform(values.begin(), values.end(), halves.begin(), [](float value) { return to_fp16(value); });
    writer.write(halves.data(), halves.size() * sizeof(fp16));
  }
  return writer.close();
}

}  // namespace spectra::train
