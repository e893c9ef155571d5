// SPDX-License-Identifier: Apache-2.0
#pragma once
// Which tokens a step reads. A split of S tokens holds N = (S - 1) / T windows: window w is tokens [w T, w T + T], T inputs and the
// T tokens that follow them, so neighbours share one token and every token is predicted once an epoch (up to T - 1 at the
// end never). Sequence j of a source is its window permutation(epoch j / N, j mod N); sequence i of a run is sequence j of source k
// as the mixture says (train/mixture.h; of one source simply j = i). So it is a pure function of (data, weights, seed, T, i), the
// same for every family, batch size, number of ranks and after every resume.
#include <cstdint>
#include <string>
#include <vector>

#include "format/token_stream.h"
#include "train/mixture.h"

namespace spectra::train {

/// Image of `index` under a pseudo-random permutation of [0, count) that depends on (seed, epoch); nothing is stored.
/// A Feistel network over the smallest even number of bits that holds `count` (Luby & Rackoff 1988; four rounds of Philox), walked
/// along its cycle until it lands below `count` (Black & Rogaway 2002): at most four tries on average.
uint64_t permute(uint64_t index, uint64_t count, uint64_t seed, uint64_t epoch);

/// What one forward and backward pass reads: (B, T) each, row by row.
struct MicroBatch {
  std::vector<int32_t> tokens;
  std::vector<int32_t> targets;     ///< -1 = not scored
  std::vector<int32_t> first_keys;  ///< first position of its row that a token attends to; empty = 0 everywhere
};

/// A stream and its weight in the mixture; `name` for messages.
struct LoaderSource {
  const format::TokenStream* stream;
  double weight;
  std::string name;
};

class Loader {
 public:
  /// `sequence`: T. `mask_documents`: a token attends to its own document only. Throws Error when a stream is shorter than one
  /// window.
  Loader(std::vector<LoaderSource> sources, int64_t sequence, uint64_t seed, bool mask_documents = false);

  /// Where a sequence of the run lies.
  struct Place {
    size_t source;
    uint64_t epoch;          ///< of the source
    uint64_t window;         ///< of the source
    uint64_t begin;          ///< its first token
    uint64_t windows_there;  ///< N
  };
  Place place(uint64_t sequence) const;
  /// Sequences [first, first + count) of the run.
  void read(uint64_t first, int64_t count, MicroBatch& batch) const;

 private:
  std::vector<LoaderSource> sources_;
  Mixture mixture_;
  int64_t sequence_;
  uint64_t seed_;
  bool mask_documents_;
};

/// Windows of the validation splits in their own order, the same at every validation of every run: split after split, window w of a
/// split is scored on tokens [w T + 1, w T + T], the last one as far as the split's budget and tokens go.
class ValidationWindows {
 public:
  /// `budget`: at most so many scored tokens in all, divided among the splits by weight. Throws Error where a split has fewer than
  /// two tokens.
  ValidationWindows(const std::vector<LoaderSource>& splits, int64_t sequence, int64_t budget, bool mask_documents = false);
  int64_t scored() const;
  int64_t windows() const;
  /// Windows [first, first + count); rows and positions that do not exist have target -1.
  void read(int64_t first, int64_t count, MicroBatch& batch) const;

 private:
  struct Split {
    const format::TokenStream* stream;
    int64_t first_window, scored;
  };
  void read_row(int64_t window, size_t at, MicroBatch& batch) const;

  std::vector<Split> splits_;
  int64_t sequence_, windows_ = 0;
  bool mask_documents_;
};

}  // namespace spectra::train
