// SPDX-License-Identifier: Apache-2.0
#pragma once
// Which tokens a step reads. A split of S tokens holds N = (S - 1) / T windows: window w is tokens [w T, w T + T], T inputs and the
// T tokens that follow them, so neighbours share one token and every token is predicted once an epoch (up to T - 1 at the
// end never). Sequence i of a run is window permutation(epoch i / N, i mod N): a pure function of (data, seed, T, i), the
// same for every family, batch size, number of ranks and after every resume.
#include <cstdint>
#include <vector>

#include "format/token_data.h"

namespace spectra::train {

/// Image of `index` under a pseudo-random permutation of [0, count) that depends on (seed, epoch); nothing is stored.
/// A Feistel network over the smallest even number of bits that holds `count` (Luby & Rackoff 1988; four rounds of Philox), walked
/// along its cycle until it lands below `count` (Black & Rogaway 2002): at most four tries on average.
uint64_t permute(uint64_t index, uint64_t count, uint64_t seed, uint64_t epoch);

class Loader {
 public:
  /// `sequence`: T. Throws Error when the stream is shorter than one window. `where`: the data, for messages.
  Loader(const format::TokenStream& stream, int64_t sequence, uint64_t seed, const std::string& where);
  uint64_t windows() const { return windows_; }  ///< N
  /// Sequences [first, first + count) of the run: `tokens` and `targets` become (count, T), row by row.
  void read(uint64_t first, int64_t count, std::vector<int32_t>& tokens, std::vector<int32_t>& targets) const;

 private:
  const format::TokenStream& stream_;
  int64_t sequence_;
  uint64_t seed_, windows_;
};

/// Windows of a validation split in their own order, the same at every validation of every run: window w is scored on tokens
/// [w T + 1, w T + T], the last one as far as the budget and the split go.
class ValidationWindows {
 public:
  /// `budget`: at most so many scored tokens. Throws Error where the split has fewer than two tokens.
  ValidationWindows(const format::TokenStream& stream, int64_t sequence, int64_t budget, const std::string& where);
  int64_t scored() const { return scored_; }
  int64_t windows() const { return (scored_ + sequence_ - 1) / sequence_; }
  /// Windows [first, first + count); rows and positions that do not exist have target -1.
  void read(int64_t first, int64_t count, std::vector<int32_t>& tokens, std::vector<int32_t>& targets) const;

 private:
  const format::TokenStream& stream_;
  int64_t sequence_, scored_;
};

}  // namespace spectra::train
