// SPDX-License-Identifier: Apache-2.0
#pragma once
// The weights of a model as inference reads them: views into the mapped files, nothing copied but norms and scales (and the head,
// where it is rounded: LoadOptions). Shapes: D hidden, F GLU, H heads, K kv heads, E head_dim, V padded vocabulary, S shards.
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "base/dtype.h"
#include "format/model_directory.h"
#include "kernels/kernels.h"
#include "model/config.h"
#include "model/packed_tensors.h"

namespace spectra::infer {

/// A matrix (rows, cols) in floating point.
struct DenseMatrix {
  DType dtype;                                         ///< kF32, kF16 or kBf16
  const void* data;                                    ///< row-major, aligned to the element
  std::shared_ptr<const std::vector<std::byte>> copy;  ///< owns `data` where the file's own could not be used; else null
};

/// A packed matrix with what kernels need beside its codes.
struct PackedLinear {
  model::PackedMatrix matrix;
  std::vector<size_t> columns, groups;    ///< (segments)
  std::vector<float> scales;              ///< (tiles, segments, 16): of each row, from the scales of the shards or groups
  int64_t padded_cols = 0;                ///< columns of all groups: of rounded token rows
  std::shared_ptr<const uint8_t> memory;  ///< owns the codes where they are not the file's; else null

  explicit PackedLinear(model::PackedMatrix m);
  /// Codes and scales are to be filled in.
  explicit PackedLinear(lowbit::Layout layout);
  float& scale(int64_t row, int64_t segment) {
    const auto segments = static_cast<int64_t>(columns.size()), tile = row / lowbit::kTileRows;
    return scales[static_cast<size_t>((tile * segments + segment) * lowbit::kTileRows + row % lowbit::kTileRows)];
  }
  /// Tiles [begin, end), as if those after them came next.
  kernels::TileSpan span(int64_t begin, int64_t end) const;
  /// Token rows rounded for one fit the other.
  bool same_columns(const PackedLinear& other) const;
};

/// y (rows) = W norm(x) + bias, x (cols): W is dense, or codes of a low-bit format with a scale per shard, or per row and group of
/// columns.
struct Linear {
  std::string name;            ///< "model.layers.3.mlp.up_proj"
  int64_t rows = 0, cols = 0;  ///< (out, in)
  std::variant<DenseMatrix, PackedLinear> weight;
  std::vector<float> norm;  ///< (cols) weights of the RMSNorm right before it; empty = none, or a plain one (Config::linear_norms)
  std::vector<float> bias;  ///< (rows); empty = none
  bool packed() const { return std::holds_alternative<PackedLinear>(weight); }
};

struct Layer {
  std::vector<float> input_norm;                ///< (D)
  Linear q;                                     ///< (H E, D)
  Linear k, v;                                  ///< (K E, D)
  std::vector<float> q_head_norm, k_head_norm;  ///< (E) for each head of q and k, before RoPE; empty = none
  std::vector<float> attention_sub_norm;        ///< (H E) before o; empty = none
  Linear o;                                     ///< (D, H E)
  std::vector<float> post_attention_norm;       ///< (D)
  Linear gate, up;                              ///< (F, D)
  std::vector<float> mlp_sub_norm;              ///< (F) before down; empty = none
  Linear down;                                  ///< (D, F)
};

struct Model {
  fs::path path;
  model::Config config;
  std::string format;             ///< "tern2-v2", "int4-v1", ...; "" where no linear layer is packed
  Linear embedding;               ///< (V, D), dense: row t is the vector of token t
  std::vector<Layer> layers;      ///< (L)
  std::vector<float> final_norm;  ///< (D)
  Linear head;                    ///< (V, D): dense, the embedding itself where they are tied; or rounded to int8
  std::shared_ptr<const format::ModelDirectory> files;  ///< keeps the views above alive

  bool packed() const { return !format.empty(); }
  std::vector<const Linear*> linears() const;  ///< of all layers, without embedding and head
};

struct LoadOptions {
  bool int8_head = false;  ///< round the head to int8 with a scale a row: half the bytes of fp16; it then takes int8 activations
  Backing backing = Backing::kMapped;
};

/// Opens a model directory, unpacked (F32, F16, BF16; F64 becomes F32), packed, or quantized in a format of other tools. Checks
/// structure only (names, types, shapes, file sizes), so that it starts at once; quantized weights are read and packed. Throws
/// Error naming model and tensor where one is missing or has another shape.
std::shared_ptr<const Model> load_model(const fs::path& directory, const LoadOptions& options = {});

/// What the head is read as: "fp32", "fp16", "bf16", "int8".
const char* head_name(const Model& model);

/// Row `row` of a dense matrix as floats; `out` holds linear.cols.
void read_row(const Linear& linear, int64_t row, float* out);

}  // namespace spectra::infer
