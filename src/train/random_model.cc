// SPDX-License-Identifier: Apache-2.0
#include "train/random_model.h"

#include <algorithm>
#include <vector>

#include "base/error.h"
#include "base/half.h"
#include "base/progress.h"
#include "base/system.h"
#include "format/safetensors.h"
#include "model/initial.h"
#include "model/packed_tensors.h"
#include "ops/reference/quantize.h"

namespace spectra::train {
namespace {

using Entry = format::SafetensorsWriter::Entry;
using model::Parameter;
using model::Role;

std::vector<Entry> entries_of(const model::Config& config, std::optional<lowbit::Format> packed) {
  const std::vector<Parameter> parameters = model::parameters(config);
  if (packed) {
    std::vector<model::PackedShape> shapes;
    for (const Parameter& parameter : parameters)
      if (parameter.role == Role::kLinear) shapes.push_back(model::packed_shape(parameter, *packed, config.shards));
    return model::packed_entries(parameters, shapes, DType::kF16);
  }
  std::vector<Entry> entries;
  for (const Parameter& parameter : parameters) entries.push_back({parameter.name, DType::kF16, model::tensor_shape(parameter)});
  return entries;
}

/// The first weights of a linear layer with what its shards are quantized by.
struct LinearWeights {
  const Parameter& parameter;
  ops::WeightKind kind;
  std::vector<float> values;    ///< (rows, cols)
  std::vector<int64_t> bounds;  ///< S + 1
  std::vector<float> scales;    ///< S
  std::vector<double> means;    ///< S

  LinearWeights(const Parameter& p, const model::Config& config, uint64_t seed)
      : parameter(p),
        kind(config.family == model::Family::kTernary ? ops::WeightKind::kTernary : ops::WeightKind::kBinary),
        values(static_cast<size_t>(p.rows * p.cols)),
        bounds(model::shard_bounds(p, config.shards)) {
    model::initial_values(p, seed, 0, p.rows * p.cols, values.data());
    for (size_t s = 0; s + 1 < bounds.size(); ++s) {
      const int64_t begin = bounds[s], count = bounds[s + 1] - begin;
      const bool by_rows = p.axis == model::ShardAxis::kRows;
      const ops::reference::Matrix<float> shard{values.data() + (by_rows ? begin * p.cols : begin), by_rows ? count : p.rows,
                                                by_rows ? p.cols : count, p.cols};
      const ops::reference::ShardMeans mean = ops::reference::shard_means(shard);
      scales.push_back(ops::reference::shard_scale(kind, mean));
      means.push_back(mean.value);
    }
  }

  /// Calls body(shard, first column, last column + 1) for each shard that row `row` runs through.
  template <class Body>
  void for_shards(int64_t row, const Body& body) const {
    for (size_t s = 0; s + 1 < bounds.size(); ++s) {
      if (parameter.axis == model::ShardAxis::kColumns)
        body(s, bounds[s], bounds[s + 1]);
      else if (row >= bounds[s] && row < bounds[s + 1])
        body(s, int64_t{0}, parameter.cols);
    }
  }
  float code(size_t shard, int64_t row, int64_t col) const {
    const float value = values[static_cast<size_t>(row * parameter.cols + col)];
    return kind == ops::WeightKind::kTernary ? ops::reference::ternary_code(value, scales[shard])
                                             : ops::reference::binary_code(value, means[shard]);
  }
};

class Writer {
 public:
  Writer(const fs::path& path, const model::Config& config, std::optional<lowbit::Format> packed, uint64_t seed)
      : config_(config),
        packed_(packed),
        seed_(seed),
        file_(path, entries_of(config, packed)),
        progress_("writing", random_model_bytes(config, packed)) {}

  std::string run() {
    const std::vector<Parameter> parameters = model::parameters(config_);
    if (packed_) {
      std::vector<std::pair<std::vector<float>, std::vector<int32_t>>> shards;  // scales, boundaries
      for (const Parameter& parameter : parameters)
        if (parameter.role == Role::kLinear) shards.push_back(write_packed(parameter));
      for (const auto& shard : shards) {
        write(shard.first.data(), shard.first.size() * sizeof(float));
        write(shard.second.data(), shard.second.size() * sizeof(int32_t));
      }
    }
    for (const Parameter& parameter : parameters) {
      const bool linear = parameter.role == Role::kLinear;
      if (!linear || config_.family == model::Family::kFloat)
        initial_fp16(parameter, seed_, [this](const void* data, size_t bytes) { write(data, bytes); });
      else if (!packed_)
        write_expanded(parameter);
    }
    return file_.close();
  }

 private:
  void write(const void* data, size_t bytes) {
    file_.write(data, bytes);
    progress_.update(written_ += bytes);
    check_interrupted();
  }

  std::pair<std::vector<float>, std::vector<int32_t>> write_packed(const Parameter& parameter) {
    const LinearWeights weights(parameter, config_, seed_);
    const lowbit::Layout layout = model::packed_shape(parameter, *packed_, config_.shards).layout;
    std::vector<uint8_t> bytes(static_cast<size_t>(layout.bytes()));
#pragma omp parallel
    {
      std::vector<int8_t> codes(static_cast<size_t>(lowbit::kTileRows * parameter.cols));
#pragma omp for
      for (int64_t tile = 0; tile < layout.tiles(); ++tile) {
        const int64_t first = tile * lowbit::kTileRows, last = std::min(first + lowbit::kTileRows, parameter.rows);
        for (int64_t row = first; row < last; ++row)
          weights.for_shards(row, [&](size_t shard, int64_t begin, int64_t end) {
            int8_t* out = codes.data() + (row - first) * parameter.cols;
            for (int64_t c = begin; c < end; ++c) out[c] = static_cast<int8_t>(weights.code(shard, row, c));
          });
        lowbit::pack_tile(layout, tile, codes.data(), bytes.data() + tile * layout.tile_bytes());
      }
    }
    write(bytes.data(), bytes.size());
    return {weights.scales, std::vector<int32_t>(weights.bounds.begin(), weights.bounds.end())};
  }

  /// Codes times scales, exact in fp16 because the scales are.
  void write_expanded(const Parameter& parameter) {
    const LinearWeights weights(parameter, config_, seed_);
    std::vector<fp16> half(weights.values.size());
#pragma omp parallel for
    for (int64_t row = 0; row < parameter.rows; ++row)
      weights.for_shards(row, [&](size_t shard, int64_t begin, int64_t end) {
        for (int64_t c = begin; c < end; ++c) {
          const float code = weights.code(shard, row, c);
          half[static_cast<size_t>(row * parameter.cols + c)] = to_fp16(code == 0 ? 0.0f : code * weights.scales[shard]);  // no -0
        }
      });
    write(half.data(), half.size() * sizeof(fp16));
  }

  const model::Config& config_;
  std::optional<lowbit::Format> packed_;
  uint64_t seed_;
  format::SafetensorsWriter file_;
  Progress progress_;
  uint64_t written_ = 0;
};

}  // namespace

void initial_fp16(const Parameter& parameter, uint64_t seed, const std::function<void(const void*, size_t)>& write) {
  constexpr int64_t kPiece = int64_t{1} << 22;
  const int64_t count = parameter.rows * parameter.cols;
  std::vector<float> values;
  std::vector<fp16> half;
  for (int64_t begin = 0; begin < count; begin += kPiece) {
    const int64_t here = std::min(kPiece, count - begin);
    values.resize(static_cast<size_t>(here));
    half.resize(static_cast<size_t>(here));
    model::initial_values(parameter, seed, begin, here, values.data());
    std::transform(values.begin(), values.end(), half.begin(), [](float value) { return to_fp16(value); });
    write(half.data(), half.size() * sizeof(fp16));
  }
}

uint64_t random_model_bytes(const model::Config& config, std::optional<lowbit::Format> packed) {
  uint64_t total = 0;
  for (const Entry& entry : entries_of(config, packed)) total += format::entry_bytes(entry);
  return total;
}

std::string write_random_model(const fs::path& path, const model::Config& config, std::optional<lowbit::Format> packed,
                               uint64_t seed) {
  model::validate(config);
  SPECTRA_CHECK(!packed || config.family == (*packed == lowbit::Format::kBin1 ? model::Family::kBinary : model::Family::kTernary));
  return Writer(path, config, packed, seed).run();
}

}  // namespace spectra::train
