// SPDX-License-Identifier: Apache-2.0
#pragma once
// Which source each sequence of a run comes from, when data is mixed by weight.
//
// Source k with share p_k "wants" its j-th sequence (j = 0, 1, ...) at time (2j + 1) / (2 p_k): evenly spaced, 1 / p_k apart.
// Sorting the wishes of all sources by time (ties: the earlier source first) gives the order of the run: sequence i is the i-th
// wish. This is Webster's apportionment, the same as "give the next sequence to the source with the smallest (2 c_k + 1) / p_k"
// (c_k: its sequences so far), but any i is found without the ones before it: by time t source k has floor(p_k t + 1/2) wishes, K
// sources together between t - K/2 and t + K/2, so the wishes up to time i - K/2 are at most i and at least i - K, and at most K
// further picks remain. For the same reason c_k never strays further than 1/2 + p_k K/2 from its fair i p_k, however long the run.
//
// All in whole numbers: shares are rounded to 1/2^32, and wishes are compared exactly.
#include <cstddef>
#include <cstdint>
#include <vector>

namespace spectra::train {

class Mixture {
 public:
  /// `weights`: positive, of any scale.
  explicit Mixture(const std::vector<double>& weights);

  struct Place {
    size_t source;
    uint64_t index;  ///< sequences of that source before this one
  };
  /// Where sequence `i` < 2^62 of the run comes from. O(K²) for K sources.
  Place place(uint64_t i) const;
  /// Shares in units of about 2^-32, at least 1 each: what decides the order, and so names the mixture in hashes.
  const std::vector<uint64_t>& shares() const { return shares_; }

 private:
  std::vector<uint64_t> shares_;
  uint64_t total_ = 0;
};

}  // namespace spectra::train
