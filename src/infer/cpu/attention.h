// SPDX-License-Identifier: Apache-2.0
#pragma once
// Keys and values of one layer and kv head in a page, and attention over them. In a page, T the cache's type, E head_dim:
//
//   keys    T (4, E, 16)  position p, element e at [p / 16, e, p % 16]: 16 scores come out side by side
//   values  T (64, V)     V = E rounded up to 16, filled up with zeros
//   scales  float (2, 64) of keys, then of values; int8 only
#include <cstddef>
#include <cstdint>
#include <span>

#include "infer/cpu/kv_memory.h"
#include "kernels/kernels.h"

namespace spectra::infer {

/// Queries of one head at successive positions of one sequence.
struct QueryBlock {
  static constexpr int64_t kMost = 16;
  const float* queries;  ///< (count, query_stride), after RoPE, times 1/sqrt(E)
  float* out;  ///< (count, query_stride): Σ softmax(q . k) v over positions up to each query's own, of a window only the last
  int64_t query_stride;
  int64_t count;                   ///< at most kMost
  int64_t position;                ///< of the first
  std::span<const int32_t> pages;  ///< of the sequence
};

/// One layer's view of the cache.
class HeadCache {
 public:
  HeadCache(KvMemory& memory, const model::Config& config, KvType type, int64_t layer, const kernels::Kernels& kernels);

  /// Floats of scratch memory that the two below need, for sequences of `positions`.
  static int64_t scratch(const model::Config& config, int64_t positions);
  /// Writes key and value (E) of `position`. Positions are written once, before they are read.
  void store(std::span<const int32_t> pages, int64_t position, int64_t kv_head, const float* key, const float* value,
             float* scratch);
  /// Scores of all positions first, softmax, then the values in ascending order: the result does not depend on the block. Pages
  /// before the window of the first query are not read.
  void attend(const QueryBlock& block, int64_t kv_head, float* scratch);

 private:
  std::byte* page(std::span<const int32_t> pages, int64_t position, int64_t kv_head) {
    return memory_.page(pages[static_cast<size_t>(position / kPagePositions)]) + first_ + kv_head * head_bytes_;
  }
  template <class T>
  void store_as(std::byte* page, int64_t slot, const float* key, const float* value, float* scratch);
  template <class T>
  void attend_as(const QueryBlock& block, int64_t kv_head, const kernels::Attention<T>& kernel, float* scratch);
  template <class T>
  const float* scales(const T* keys) const;

  KvMemory& memory_;
  KvType type_;
  const kernels::Kernels& kernels_;
  int64_t head_dim_, width_, head_bytes_, first_, window_;
};

}  // namespace spectra::infer
