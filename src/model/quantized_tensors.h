// SPDX-License-Identifier: Apache-2.0
#pragma once
// How a quantized matrix of another tool's format lies in model.safetensors; docs/formats.md has the whole of it. For the parameter
// "X.weight" (rows, cols) = (out, in) of b bits, G groups of columns (G = ceil(cols / group_size), 1 per channel), F any float
// type:
//
//   compressed-tensors, pack-quantized                          GPTQ
//   X.weight_packed      I32 (rows, ceil(cols / (32 / b)))      X.qweight  I32 (cols b / 32, rows)
//   X.weight_scale       F   (rows, G)                          X.scales   F   (G, rows)
//   X.weight_zero_point  I32 (ceil(rows / (32 / b)), G)         X.qzeros   I32 (G, rows b / 32)
//   X.weight_g_idx       I32 (cols)                             X.g_idx    I32 (cols)
//   X.weight_shape       I64 (2) = rows, cols
//
// Zero points and group indices of compressed-tensors are there only where they are needed. Codes are stored as u, 0 <= u < 2^b,
// and a weight is scale * (u - zero); symmetric: zero = 2^(b - 1).
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "format/model_directory.h"
#include "lowbit/quantized.h"
#include "lowbit/words.h"
#include "model/config.h"
#include "model/quantized_config.h"

namespace spectra::model {

/// Names of the tensors of "X.weight"; shape is "" for GPTQ.
struct QuantizedNames {
  std::string codes, scale, zero, group, shape;
};
QuantizedNames quantized_names(QuantizedFormat format, const std::string& weight);

/// A matrix in a mapped model; codes live as long as the ModelDirectory.
class StoredQuantized {
 public:
  int64_t rows = 0, cols = 0, groups = 0;
  int bits = 4;
  std::vector<float> scales;      ///< (rows, groups)
  std::vector<int16_t> zeros;     ///< (rows, groups); empty = all 2^(bits - 1)
  std::vector<int32_t> group_of;  ///< (cols)
  int64_t group_size = 0;         ///< 1 to cols: where groups are neighbouring columns, group_of[c] = c / group_size; else 0
  uint64_t bytes = 0;             ///< of all its tensors

  /// u of rows [first, first + count), (count, cols).
  void read(int64_t first, int64_t count, uint8_t* u) const;
  /// Weights of one row from its u, exact where scales are 16-bit numbers.
  void expand(int64_t row, const uint8_t* u, float* weights) const;
  /// Those of all codes; for passes over models larger than memory.
  std::span<const std::byte> stored() const { return codes_; }
  /// "" where the engine multiplies this matrix as it is, else why not: "has zero points", ...
  std::string why_not_direct() const;

 private:
  friend StoredQuantized stored_quantized(const format::ModelDirectory&, const QuantizedConfig&, const Parameter&);
  QuantizedFormat format_ = QuantizedFormat::kCompressedTensors;
  std::span<const std::byte> codes_;
};

/// Whether the parameter is stored so; others are stored as they are (embedding, norms, layers that were left out).
bool is_stored_quantized(const format::ModelDirectory& directory, const QuantizedConfig& config, const Parameter& parameter);
/// Reads and checks everything but the codes, of which any bits are valid: shapes, types, scales finite, zero points and groups in
/// range. Throws Error (exit 3) naming model and tensor.
StoredQuantized stored_quantized(const format::ModelDirectory& directory, const QuantizedConfig& config,
                                 const Parameter& parameter);
/// Throws Error (exit 3) where why_not_direct() is not "", with `name` and what to do.
void require_direct(const StoredQuantized& matrix, const std::string& name);
/// Of a matrix that require_direct() accepts.
lowbit::QuantizedMatrix quantized_matrix(const StoredQuantized& matrix);

}  // namespace spectra::model
