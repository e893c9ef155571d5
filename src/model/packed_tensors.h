// SPDX-License-Identifier: Apache-2.0
#pragma once
// How a packed low-bit matrix lies in model.safetensors. For the parameter "X.weight" (rows, cols), S shards:
//
//   X.weight_packed  U8   (rows, row_bytes)  codes, lowbit/packed.h; row_bytes = lowbit::row_bytes(format, cols)
//   X.weight_scale   F32  (S)                scale of each shard
//   X.weight_shards  I32  (S + 1)            boundaries along the shard axis, from 0 to rows or cols
//
// config.json says the rest: quantization_config {quant_method: "spectra", format, shard_axis: {name: "rows" | "columns"}}, where
// name is the projection ("q_proj") or, for a matrix that differs, its full name ("model.layers.0.mlp.up_proj.weight"). In the file
// all weight_packed come first, so that they are 64-byte aligned and one run of memory; then scales and boundaries; then embedding,
// norms and head.
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "format/model_directory.h"
#include "format/safetensors.h"
#include "lowbit/packed.h"
#include "model/config.h"

namespace spectra::model {

/// "X.weight" -> "X.weight_packed", "X.weight_scale", "X.weight_shards".
struct PackedNames {
  std::string packed, scale, shards;
};
PackedNames packed_names(const std::string& weight);

/// A packed matrix in a mapped model; `codes` lives as long as the ModelDirectory.
struct PackedMatrix {
  lowbit::Format format;
  lowbit::ShardAxis axis;
  int64_t rows = 0, cols = 0;
  int64_t row_bytes = 0;
  std::span<const uint8_t> codes;  ///< rows * row_bytes
  std::vector<float> scales;       ///< S
  std::vector<int64_t> bounds;     ///< S + 1
};

/// quantization_config of a packed model; `axes` as in config.json.
struct PackedConfig {
  lowbit::Format format;
  std::map<std::string, lowbit::ShardAxis> axes;
  /// By full name, else by projection name, else rows for q, k, v, gate, up and columns for o, down.
  lowbit::ShardAxis axis_of(const Parameter& parameter) const;
};
/// Throws Error unless config.json is of a packed model (model::packed_format_from_json is not "").
PackedConfig packed_config_from_json(const std::string& json, const std::string& where);

/// Reads and checks one matrix: shapes, boundaries ascending over the whole axis, scales finite. Not the codes: see
/// lowbit::valid_row. Throws Error naming model and tensor.
PackedMatrix packed_matrix(const format::ModelDirectory& directory, const PackedConfig& packed, const Parameter& parameter);

/// Tensors of a packed model in file order (see above). `shards[i]`: number of scales of the i-th linear parameter of `parameters`.
/// `rest`: type of embedding, norms and head.
std::vector<format::SafetensorsWriter::Entry> packed_entries(const std::vector<Parameter>& parameters, lowbit::Format format,
                                                             const std::vector<int64_t>& shards, DType rest);

}  // namespace spectra::model
