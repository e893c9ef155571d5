// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>

#include "base/half.h"
#include "base/progress.h"
#include "model/initial.h"
#include "model/quantized_writer.h"
#include "train/random_model.h"

namespace spectra::train {
namespace {

using model::Parameter;

/// The first weights, each rounded to the nearest number of its group's grid.
lowbit::QuantizedMatrix rounded(const Parameter& p, const model::QuantizationInfo& info, uint64_t seed) {
  lowbit::QuantizedMatrix m;
  m.rows = p.rows, m.cols = p.cols, m.bits = info.bits;
  m.group_size = info.group_size == 0 ? p.cols : info.group_size;
  m.codes.resize(static_cast<size_t>(p.rows * p.cols));
  m.scales.resize(static_cast<size_t>(p.rows * m.groups()));
  std::vector<float> w(m.codes.size());
  model::initial_values(p, seed, 0, p.rows * p.cols, w.data());
  const float low = -static_cast<float>(1 << (info.bits - 1)), high = -low - 1;
#pragma omp parallel for
  for (int64_t g = 0; g < p.rows * m.groups(); ++g) {
    const float* from = w.data() + g * m.group_size;
    float absmax = 0;
    for (int64_t c = 0; c < m.group_size; ++c) absmax = std::max(absmax, std::fabs(from[c]));
    const float scale = round_to_fp16(2 * absmax / (high - low));
    m.scales[static_cast<size_t>(g)] = scale;
    for (int64_t c = 0; c < m.group_size; ++c)
      m.codes[static_cast<size_t>(g * m.group_size + c)] =
          static_cast<int8_t>(scale == 0 ? 0 : std::clamp(std::nearbyint(from[c] / scale), low, high));
  }
  return m;
}

std::vector<model::TensorOutput> outputs_of(const model::Config& config, const model::QuantizationInfo& info, uint64_t seed) {
  const std::vector<Parameter> all = model::parameters(config);
  std::vector<model::TensorOutput> outputs;
  for (const Parameter& p : all) {
    if (p.role != model::Role::kLinear) {
      outputs.push_back({{p.name, DType::kF16, model::tensor_shape(p)}, [p, seed](format::SafetensorsWriter& writer) {
                           initial_fp16(p, seed, [&](const void* data, size_t bytes) { writer.write(data, bytes); });
                         }});
      continue;
    }
    const auto source = [p, info, seed](const std::string&) { return rounded(p, info, seed); };
    for (model::TensorOutput& output : model::quantized_outputs(p, model::QuantizedFormat::kCompressedTensors, info, source))
      outputs.push_back(std::move(output));
  }
  return outputs;
}

}  // namespace

uint64_t random_quantized_bytes(const model::Config& config, const model::QuantizationInfo& info) {
  uint64_t total = 0;
  for (const model::TensorOutput& output : outputs_of(config, info, 0)) total += format::entry_bytes(output.entry);
  return total;
}

std::string write_random_quantized(const fs::path& path, const model::Config& config, const model::QuantizationInfo& info,
                                   uint64_t seed) {
  model::validate(config);
  model::check_quantized_format(model::QuantizedFormat::kCompressedTensors, info, config);
  std::vector<model::TensorOutput> outputs = outputs_of(config, info, seed);
  Progress progress("writing", random_quantized_bytes(config, info));
  uint64_t written = 0;
  for (model::TensorOutput& output : outputs)
    output.write = [&, write = std::move(output.write),
                    bytes = format::entry_bytes(output.entry)](format::SafetensorsWriter& writer) {
      write(writer);
      progress.update(written += bytes);
    };
  return model::write_outputs(path, std::move(outputs));
}

}  // namespace spectra::train
