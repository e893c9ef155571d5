// SPDX-License-Identifier: Apache-2.0
#pragma once
// Small models and token batches for tests of the training step.
#include <cstdint>
#include <string>
#include <vector>

#include "train/transformer.h"

namespace spectra::test {

inline model::Config tiny_config(model::Family family, int64_t shards = 1) {
  model::Config config;
  config.hidden = 16;
  config.glu = 24;
  config.heads = 4;
  config.kv_heads = 4;
  config.layers = 2;
  config.vocab = 32;
  config.shards = shards;
  config.family = family;
  return config;
}

/// Token ids that look random, the same on every machine: shared with make_training_golden.py.
inline uint32_t hashed(uint64_t stream, uint64_t index) {
  uint64_t x = (index * 2654435761u + stream * 40503u + 12345u) & 0xffffffffu;
  x = ((x ^ (x >> 15)) * 2246822519u) & 0xffffffffu;
  return static_cast<uint32_t>(x >> 12);
}
inline std::vector<int32_t> tokens(uint64_t stream, size_t count, int64_t vocab) {
  std::vector<int32_t> result(count);
  for (size_t i = 0; i < count; ++i) result[i] = static_cast<int32_t>(hashed(stream, i) % static_cast<uint64_t>(vocab));
  return result;
}

}  // namespace spectra::test
