// SPDX-License-Identifier: Apache-2.0
#include "model/weight_statistics.h"

#include <algorithm>
#include <mutex>
#include <optional>

#include "base/error.h"
#include "base/parallel.h"
#include "base/progress.h"
#include "base/system.h"
#include "model/packed_tensors.h"
#include "model/quantized_tensors.h"

namespace spectra::model {
namespace {

constexpr int kMostThreads = 8;  // each unpacked matrix takes five bytes a weight while it is read: 140 MB for the 3.9B

int64_t count_zeros(const std::vector<int8_t>& codes) { return std::count(codes.begin(), codes.end(), int8_t{0}); }

class Survey {
 public:
  Survey(const format::ModelDirectory& directory, const Config& config) : directory_(directory), config_(config) {
    if (!packed_format_from_json(directory.config_json()).empty())
      packed_ = packed_config_from_json(directory.config_json(), (directory.path() / "config.json").string());
    quantized_ = quantized_config_from_json(directory.config_json(), (directory.path() / "config.json").string());
    for (const Parameter& parameter : parameters(config)) {
      if (parameter.role == Role::kLinear)
        matrices_.push_back(parameter);
      else if (!quantized_ || !is_stored_quantized(directory, *quantized_, parameter))  // the head may be
        check_shape(parameter);
    }
  }

  WeightStatistics run() {
    if (packed_) {
      const Family family = packed_->format == lowbit::Format::kBin1 ? Family::kBinary : Family::kTernary;
      return {family, family != config_.family, read_all(family)};
    }
    WeightStatistics statistics{config_.family, false, read_all(config_.family)};
    if (config_.family != Family::kFloat || quantized_) return statistics;
    for (const Family family : {Family::kBinary, Family::kTernary}) {  // a binary matrix would pass as a ternary one
      if (!is_low_bit(matrices_.front(), family)) continue;
      try {
        return {family, true, read_all(family)};
      } catch (const Error&) {  // the first matrix is low-bit, another one is not: a float model
      }
    }
    return statistics;
  }

 private:
  const format::TensorView& check_shape(const Parameter& parameter) const {
    const format::TensorView& view = directory_.get(parameter.name);
    if (view.shape != tensor_shape(parameter))
      throw bad_input(fmt::format("{}: tensor {} has shape [{}], config.json asks for [{}]", directory_.path().string(),
                                  parameter.name, fmt::join(view.shape, ", "), fmt::join(tensor_shape(parameter), ", ")),
                      "config.json and the weights are of different models");
    return view;
  }

  std::vector<MatrixStatistics> read_all(Family family) const {
    std::vector<MatrixStatistics> all(matrices_.size());
    std::mutex mutex;
    uint64_t done = 0;
    Progress progress("reading weights", all.size());
    parallel_for(
        all.size(),
        [&](size_t i) {
          check_interrupted();
          all[i] = packed_ ? read_packed(matrices_[i]) : read_unpacked(matrices_[i], family);
          const std::lock_guard<std::mutex> lock(mutex);
          progress.update(++done);
        },
        std::min(cpu_count(), kMostThreads));
    return all;
  }

  MatrixStatistics read_packed(const Parameter& parameter) const {
    const PackedMatrix matrix = packed_matrix(directory_, *packed_, parameter);
    MatrixStatistics statistics{parameter, matrix.codes.size() + 4 * matrix.scales.size() + 4 * matrix.bounds.size(), matrix.scales,
                                0};
    const lowbit::Layout& layout = matrix.layout;
    std::vector<int8_t> codes;
    for (int64_t tile = 0; tile < layout.tiles(); ++tile) {
      const int64_t first = tile * lowbit::kTileRows;
      if (!lowbit::valid_tile(layout, tile, matrix.tile(tile)))
        throw bad_input(fmt::format("{}: tensor {}: rows from {} on hold bytes that {} does not have", directory_.path().string(),
                                    packed_names(parameter.name).packed, first, lowbit::format_name(layout.format)),
                        "the file is damaged: copy it again, or pack the model again");
      codes.resize(static_cast<size_t>(std::min(lowbit::kTileRows, layout.rows - first) * layout.cols));
      lowbit::unpack_tile(layout, tile, matrix.tile(tile), codes.data());
      statistics.zeros += count_zeros(codes);
    }
    return statistics;
  }

  lowbit::Codes find_codes(const Parameter& parameter, Family family) const {
    const format::TensorView& view = check_shape(parameter);
    std::vector<float> values(static_cast<size_t>(view.elements()));
    format::read_floats(view, values.data());
    return lowbit::find_codes(values.data(), parameter.rows, parameter.cols, parameter.axis, config_.shards,
                              family == Family::kBinary, parameter.name);
  }
  bool is_low_bit(const Parameter& parameter, Family family) const {
    try {
      find_codes(parameter, family);
      return true;
    } catch (const Error&) {
      return false;
    }
  }

  MatrixStatistics read_unpacked(const Parameter& parameter, Family family) const {
    if (quantized_ && is_stored_quantized(directory_, *quantized_, parameter))
      return {parameter, stored_quantized(directory_, *quantized_, parameter).bytes, {}, 0};
    MatrixStatistics statistics{parameter, check_shape(parameter).data.size(), {}, 0};
    if (family == Family::kFloat) return statistics;
    const lowbit::Codes codes = find_codes(parameter, family);
    statistics.scales = codes.scales;
    statistics.zeros = count_zeros(codes.codes);
    return statistics;
  }

  const format::ModelDirectory& directory_;
  const Config& config_;
  std::optional<PackedConfig> packed_;
  std::optional<QuantizedConfig> quantized_;
  std::vector<Parameter> matrices_;
};

}  // namespace

WeightStatistics weight_statistics(const format::ModelDirectory& directory, const Config& config) {
  return Survey(directory, config).run();
}

}  // namespace spectra::model
