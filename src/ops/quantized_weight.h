// SPDX-License-Identifier: Apache-2.0
#pragma once
// A linear weight as GEMMs read it, and how it is made from its master.
#include <cstdint>
#include <vector>

#include "ops/buffer.h"

namespace spectra::ops {

/// How quantize_weight turns a master matrix into what GEMMs multiply with (paper table 1 and appendix A.1).
enum class WeightKind : uint8_t {
  kFloat,    ///< W rounded to the activation type; no scales
  kTernary,  ///< codes round(clip(W/γ, -1, 1)), half to even, γ_s = fp16(1e-5 + mean|W_s|)
  kBinary    ///< codes sign(W - mean W_s), sign(0) = +1, α_s = fp16(mean|W_s|)
};

/// A linear weight ready for GEMMs: W ≈ codes, each shard times its scale. Codes -1/0/+1 are exact in every type and the scales
/// are applied in master precision, since rounding them to bf16 would lose 0.4 %. Several HF matrices may share one
/// QuantizedWeight (q, k, v; gate, up): each quantizes its own rows and has its own shards.
struct QuantizedWeight {
  Tensor codes;                 ///< (out, in), activation type
  bool by_rows = true;          ///< shards cut rows (q, k, v, gate, up) or columns (o, down)
  std::vector<int64_t> bounds;  ///< S + 1 shard boundaries along that axis, from 0 to its end; empty = no scales (float weights)
  Tensor scales;                ///< (1, S) master: γ or α of each shard

  int64_t shards() const { return bounds.empty() ? 0 : static_cast<int64_t>(bounds.size()) - 1; }
};

/// Shards [begin, end) of a QuantizedWeight.
struct ShardRange {
  int64_t begin, end;
};
/// Those of the matrix whose codes are rows [row_begin, row_begin + rows): the ones that cut these rows, or all that cut columns.
ShardRange shards_of(const QuantizedWeight& weight, int64_t row_begin, int64_t rows);

/// What quantize_weight did to a matrix, on the host: a row of its `stats`.
struct QuantizeStats {
  int64_t zeros = 0, flips = 0;  ///< codes that are zero, and codes that are others than before
};

}  // namespace spectra::ops
