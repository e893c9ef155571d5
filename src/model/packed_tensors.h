// SPDX-License-Identifier: Apache-2.0
#pragma once
// How a packed low-bit matrix lies in model.safetensors. For the parameter "X.weight" (rows, cols), S shards:
//
//   X.weight_packed  U8   (tiles, tile_bytes)  codes, lowbit/packed.h; both as lowbit::Layout gives them
//   X.weight_scale   F32  (S)                  scale of each shard
//   X.weight_shards  I32  (S + 1)              boundaries along the shard axis, from 0 to rows or cols
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
  lowbit::Layout layout;
  lowbit::ShardAxis axis;
  int64_t tile_bytes = 0;          ///< layout.tile_bytes()
  std::span<const uint8_t> codes;  ///< layout.bytes()
  std::vector<float> scales;       ///< S
  std::vector<int64_t> bounds;     ///< S + 1

  const uint8_t* tile(int64_t index) const { return codes.data() + index * tile_bytes; }
  /// Shard of a row, for shards along the rows.
  size_t shard_of_row(int64_t row) const;
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
/// lowbit::valid_tile. Throws Error naming model and tensor.
PackedMatrix packed_matrix(const format::ModelDirectory& directory, const PackedConfig& packed, const Parameter& parameter);

/// What decides the shapes of a packed matrix.
struct PackedShape {
  lowbit::Layout layout;
  int64_t shards;
};
/// Of a matrix cut into equal shards along training's axis.
PackedShape packed_shape(const Parameter& parameter, lowbit::Format format, int64_t shards);
/// Bytes of its three tensors.
uint64_t packed_bytes(const PackedShape& shape);
/// Tensors of a packed model in file order (see above). `shapes[i]`: of the i-th linear parameter of `parameters`. `rest`: type of
/// embedding, norms and head.
std::vector<format::SafetensorsWriter::Entry> packed_entries(const std::vector<Parameter>& parameters,
                                                             const std::vector<PackedShape>& shapes, DType rest);

}  // namespace spectra::model
