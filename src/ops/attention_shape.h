// SPDX-License-Identifier: Apache-2.0
#pragma once
// What attention is told beside its operands. Letters: B sequences, Tq queries and Tk keys in each, H heads, K kv heads, E
// head_dim.
#include <cstdint>
#include <vector>

#include "ops/buffer.h"

namespace spectra::ops {

enum class MaskKind : uint8_t {
  kCausal,  ///< a query sees the keys up to its own position
  kWindow,  ///< of these the last `window`, its own one among them
  kNone     ///< all keys
};

struct Mask {
  MaskKind kind = MaskKind::kCausal;
  int64_t window = 0;  ///< kWindow only, >= 1
  /// Device values (B Tq), may be nullptr: keys of its sequence before this one are hidden from the query too (a document mask).
  /// At least one key must be left.
  const int32_t* first_key = nullptr;
};

struct AttentionShape {
  int64_t batch, queries, keys;  ///< B, Tq, Tk: Tq = Tk but for kNone
  int64_t heads, kv_heads, head_dim;
  Mask mask;
};
/// Queries and keys of the same `time` tokens.
inline AttentionShape self_attention(int64_t batch, int64_t time, int64_t heads, int64_t kv_heads, int64_t head_dim,
                                     Mask mask = {}) {
  return {batch, time, time, heads, kv_heads, head_dim, mask};
}

/// Operands of attention, or their gradients: q (B Tq, H E), k and v (B Tk, K E), activation; each may be columns of a wider
/// matrix.
struct Qkv {
  Tensor q, k, v;
};
/// The parts of qkv (N, (H + 2K) E) = [q | k | v].
inline Qkv split_qkv(const Tensor& qkv, const AttentionShape& shape) {
  const int64_t q = shape.heads * shape.head_dim, k = shape.kv_heads * shape.head_dim;
  return {qkv.col_range(0, q), qkv.col_range(q, k), qkv.col_range(q + k, k)};
}

/// Rotary positions: pair i of position t is turned by the angle t * frequencies[i], in radians, in fp64 until cosine and sine are
/// rounded. `factor` multiplies both (YaRN).
struct Rotation {
  std::vector<double> frequencies;  ///< (E / 2)
  double factor = 1;
  bool operator==(const Rotation&) const = default;
};

}  // namespace spectra::ops
