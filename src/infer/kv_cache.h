// SPDX-License-Identifier: Apache-2.0
#pragma once
// Keys and values of one sequence, fp32, room for the whole context. Memory is claimed by the system only as positions are filled.
#include <cstdint>
#include <memory>

#include "model/config.h"

namespace spectra::infer {

class KvCache {
 public:
  explicit KvCache(const model::Config& config)
      : kv_heads_(config.kv_heads),
        head_dim_(config.head_dim()),
        capacity_(config.max_position),
        keys_(new float[size(config)]),  // not initialized, so untouched pages cost nothing
        values_(new float[size(config)]) {}

  /// Keys (after RoPE) of one kv head: (capacity, E), contiguous so that a query passes over them in one run.
  float* keys(int64_t layer, int64_t kv_head) { return keys_.get() + offset(layer, kv_head); }
  float* values(int64_t layer, int64_t kv_head) { return values_.get() + offset(layer, kv_head); }

  int64_t length = 0;  ///< positions filled

 private:
  static size_t size(const model::Config& c) {
    return static_cast<size_t>(c.layers) * static_cast<size_t>(c.max_position) * static_cast<size_t>(c.kv_dim());
  }
  int64_t offset(int64_t layer, int64_t kv_head) const { return (layer * kv_heads_ + kv_head) * capacity_ * head_dim_; }

  int64_t kv_heads_, head_dim_, capacity_;
  std::unique_ptr<float[]> keys_, values_;  // (L, K, capacity, E)
};

}  // namespace spectra::infer
