// SPDX-License-Identifier: Apache-2.0
#include "model/packed_tensors.h"

#include <cmath>
#include <cstring>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "format/strict_json.h"
#include "model/typed_tensor.h"

namespace spectra::model {

PackedNames packed_names(const std::string& weight) { return {weight + "_packed", weight + "_scale", weight + "_shards"}; }

lowbit::ShardAxis PackedConfig::axis_of(const Parameter& parameter) const {
  if (const auto full = axes.find(parameter.name); full != axes.end()) return full->second;
  if (const auto brief = axes.find(projection_name(parameter.slot)); brief != axes.end()) return brief->second;
  return parameter.axis;
}

PackedConfig packed_config_from_json(const std::string& text, const std::string& where) {
  PackedConfig packed{lowbit::format_from_name(packed_format_from_json(text)), {}};
  const nlohmann::json document = format::parse_json_object(text, where);
  const nlohmann::json axes = document["quantization_config"].value("shard_axis", nlohmann::json::object());
  if (!axes.is_object()) throw bad_input(where + ": shard_axis is not an object", kModelHint);
  for (const auto& item : axes.items()) {
    if (item.value() != "rows" && item.value() != "columns")
      throw bad_input(fmt::format("{}: shard_axis of {} is {}", where, item.key(), item.value().dump()),
                      "allowed are \"rows\" and \"columns\"");
    packed.axes[item.key()] = item.value() == "rows" ? ShardAxis::kRows : ShardAxis::kColumns;
  }
  return packed;
}

PackedMatrix packed_matrix(const format::ModelDirectory& directory, const PackedConfig& packed, const Parameter& parameter) {
  const PackedNames names = packed_names(parameter.name);
  PackedMatrix matrix;
  matrix.axis = packed.axis_of(parameter);
  const format::TensorView& scales = directory.get(names.scale);
  const int64_t count = scales.elements();
  typed_tensor(directory, names.scale, DType::kF32, {count});
  if (count < 1) throw tensor_error(directory, names.scale, "holds no scale");
  matrix.scales.resize(static_cast<size_t>(count));
  std::memcpy(matrix.scales.data(), scales.data.data(), scales.data.size());
  for (const float scale : matrix.scales)
    if (!std::isfinite(scale)) throw tensor_error(directory, names.scale, "holds a scale that is not finite");

  std::vector<int32_t> bounds(static_cast<size_t>(count) + 1);
  const format::TensorView& shards = typed_tensor(directory, names.shards, DType::kI32, {count + 1});
  std::memcpy(bounds.data(), shards.data.data(), shards.data.size());
  const int64_t extent = matrix.axis == ShardAxis::kRows ? parameter.rows : parameter.cols;
  bool ascending = bounds.front() == 0 && bounds.back() == extent;
  for (size_t s = 0; s + 1 < bounds.size(); ++s) ascending = ascending && bounds[s] < bounds[s + 1];
  if (!ascending)
    throw tensor_error(directory, names.shards, fmt::format("[{}] does not ascend from 0 to {}", fmt::join(bounds, ", "), extent));
  matrix.bounds.assign(bounds.begin(), bounds.end());
  matrix.layout = lowbit::make_layout(packed.format, parameter.rows, parameter.cols, matrix.axis, matrix.bounds);
  matrix.tile_bytes = matrix.layout.tile_bytes();
  const format::TensorView& codes = typed_tensor(directory, names.packed, DType::kU8, {matrix.layout.tiles(), matrix.tile_bytes});
  matrix.codes = {reinterpret_cast<const uint8_t*>(codes.data.data()), codes.data.size()};
  return matrix;
}

size_t PackedMatrix::shard_of_row(int64_t row) const {
  size_t shard = 0;
  while (row >= bounds[shard + 1]) ++shard;
  return shard;
}

PackedShape packed_shape(const Parameter& parameter, lowbit::Format format, int64_t shards) {
  return {lowbit::make_layout(format, parameter.rows, parameter.cols, parameter.axis, shard_bounds(parameter, shards)), shards};
}

uint64_t packed_bytes(const PackedShape& shape) {
  return static_cast<uint64_t>(shape.layout.bytes()) + static_cast<uint64_t>(shape.shards) * sizeof(float) +
         static_cast<uint64_t>(shape.shards + 1) * sizeof(int32_t);
}

std::vector<format::SafetensorsWriter::Entry> packed_entries(const std::vector<Parameter>& parameters,
                                                             const std::vector<PackedShape>& shapes, DType rest) {
  std::vector<format::SafetensorsWriter::Entry> packed, small, others;
  size_t linear = 0;
  for (const Parameter& parameter : parameters) {
    if (parameter.role != Role::kLinear) {
      others.push_back({parameter.name, rest, tensor_shape(parameter)});
      continue;
    }
    const PackedNames names = packed_names(parameter.name);
    const PackedShape& shape = shapes.at(linear++);
    packed.push_back({names.packed, DType::kU8, {shape.layout.tiles(), shape.layout.tile_bytes()}});
    small.push_back({names.scale, DType::kF32, {shape.shards}});
    small.push_back({names.shards, DType::kI32, {shape.shards + 1}});
  }
  packed.insert(packed.end(), small.begin(), small.end());
  packed.insert(packed.end(), others.begin(), others.end());
  return packed;
}

}  // namespace spectra::model
