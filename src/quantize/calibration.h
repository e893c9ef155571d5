// SPDX-License-Identifier: Apache-2.0
#pragma once
// The tokens whose activations decide how weights are rounded.
#include <cstdint>
#include <string>
#include <vector>

#include "base/file.h"
#include "text/tokenizer.h"

namespace spectra::quantize {

struct Calibration {
  std::vector<int32_t> tokens;  ///< (samples, sequence)
  int64_t samples = 0, sequence = 0;
  uint64_t available = 0;  ///< tokens they were drawn from
  std::string sha256;      ///< of the tokens
};

/// `samples` windows of `sequence` tokens, each at a random place: window i is a function of the source, seed and i alone.
/// `source`: token data (its training split), or a text file that spectra prepare reads too; documents of a text follow each other
/// as in training data, each with EOS after it, or BOS before it where the tokenizer has that custom. Of a text, no more than
/// kMostDraws times the tokens wanted are read. Throws Error (exit 3) where the source is of another tokenizer or shorter than one
/// window; a warning where it is shorter than all windows together.
Calibration read_calibration(const fs::path& source, const text::Tokenizer& tokenizer, int64_t vocab, int64_t samples,
                             int64_t sequence, uint64_t seed);
constexpr uint64_t kMostDraws = 32;

}  // namespace spectra::quantize
