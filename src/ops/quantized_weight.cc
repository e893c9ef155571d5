// SPDX-License-Identifier: Apache-2.0
#include "ops/quantized_weight.h"

#include <algorithm>

namespace spectra::ops {

ShardRange shards_of(const QuantizedWeight& weight, int64_t row_begin, int64_t rows) {
  if (!weight.by_rows) return {0, weight.shards()};
  const auto shard_at = [&](int64_t row) {
    const auto found = std::find(weight.bounds.begin(), weight.bounds.end(), row);
    SPECTRA_CHECK(found != weight.bounds.end(), "no shard begins or ends at row {}", row);
    return found - weight.bounds.begin();
  };
  return {shard_at(row_begin), shard_at(row_begin + rows)};
}

}  // namespace spectra::ops
