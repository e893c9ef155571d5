// SPDX-License-Identifier: Apache-2.0
// The trained weights as an fp16 model.
#include <algorithm>

#include "base/half.h"
#include "format/safetensors.h"
#include "train/checkpoint.h"

namespace spectra::train {

using model::Parameter;
using model::Role;

/// Master values become what the GEMMs see: γ·code, ±α, or the master rounded to fp16. Codes come from the backend's own quantizer,
/// run again on the masters in scratch memory, so they are those of training by construction, also where W/γ is a hair from 0.5.
struct ModelFile::Impl {
  Impl(const fs::path& path, ops::Backend& backend_, Transformer& transformer);
  void round(const Parameter& info, std::vector<float>& values);
  void scale_codes(const Parameter& info, const std::vector<float>& scales, const std::vector<int64_t>& bounds,
                   std::vector<float>& values) const;

  ops::Backend& backend;
  const model::Config& config;
  format::SafetensorsWriter writer;
  ops::Buffer masters, codes, scales;
};

namespace {

std::vector<format::SafetensorsWriter::Entry> entries(const Transformer& transformer) {
  std::vector<format::SafetensorsWriter::Entry> list;
  for (const Parameter& info : model::parameters(transformer.config()))
    list.push_back({info.name, DType::kF16, model::tensor_shape(info)});
  return list;
}

}  // namespace

ModelFile::Impl::Impl(const fs::path& path, ops::Backend& backend_, Transformer& transformer)
    : backend(backend_), config(transformer.config()), writer(path, entries(transformer)) {
  if (config.family == model::Family::kFloat) return;
  int64_t elements = 0;
  for (const Parameter& info : model::parameters(config)) {
    if (info.role == Role::kLinear) elements = std::max(elements, info.rows * info.cols);
  }
  masters = backend.allocate(static_cast<size_t>(elements) * dtype_size(backend.master()));
  codes = backend.allocate(static_cast<size_t>(elements) * dtype_size(backend.activation()));
  scales = backend.allocate(static_cast<size_t>(config.shards) * dtype_size(backend.master()));
}

void ModelFile::Impl::round(const Parameter& info, std::vector<float>& values) {
  if (info.role != Role::kLinear || config.family == model::Family::kFloat) return;
  const ops::Tensor master(masters.data(), backend.master(), info.rows, info.cols);
  backend.copy_in(master, values.data());
  ops::QuantizedWeight quantized;
  quantized.codes = {codes.data(), backend.activation(), info.rows, info.cols};
  quantized.by_rows = info.axis == model::ShardAxis::kRows;
  quantized.bounds = model::shard_bounds(info, config.shards);
  quantized.scales = {scales.data(), backend.master(), 1, config.shards};
  const bool ternary = config.family == model::Family::kTernary;
  backend.quantize_weight(quantized, ternary ? ops::WeightKind::kTernary : ops::WeightKind::kBinary, 0, master, {});
  backend.copy_out(values.data(), quantized.codes);
  std::vector<float> host_scales(static_cast<size_t>(config.shards));
  backend.copy_out(host_scales.data(), quantized.scales);
  scale_codes(info, host_scales, quantized.bounds, values);
}

void ModelFile::Impl::scale_codes(const Parameter& info, const std::vector<float>& shard_scales, const std::vector<int64_t>& bounds,
                                  std::vector<float>& values) const {
  const bool by_rows = info.axis == model::ShardAxis::kRows;
  for (size_t s = 0; s + 1 < bounds.size(); ++s) {
    const int64_t row_begin = by_rows ? bounds[s] : 0, row_end = by_rows ? bounds[s + 1] : info.rows;
    const int64_t col_begin = by_rows ? 0 : bounds[s], col_end = by_rows ? info.cols : bounds[s + 1];
    for (int64_t r = row_begin; r < row_end; ++r)
      for (int64_t c = col_begin; c < col_end; ++c) values[static_cast<size_t>(r * info.cols + c)] *= shard_scales[s];
  }
}

ModelFile::ModelFile(const fs::path& path, ops::Backend& backend, Transformer& model)
    : impl_(std::make_unique<Impl>(path, backend, model)) {}
ModelFile::~ModelFile() = default;

void ModelFile::write(const Parameter& info, const std::vector<float>& master) {
  std::vector<float> values = master;
  impl_->round(info, values);
  std::vector<fp16> halves(values.size());
  std::transform(values.begin(), values.end(), halves.begin(), [](float value) { return to_fp16(value); });
  impl_->writer.write(halves.data(), halves.size() * sizeof(fp16));
}

std::string ModelFile::close() { return impl_->writer.close(); }

}  // namespace spectra::train
