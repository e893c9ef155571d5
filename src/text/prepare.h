// SPDX-License-Identifier: Apache-2.0
#pragma once
// Makes token data of texts. The result depends on the inputs and options alone, not on threads or time.
#include <cstdint>
#include <string>
#include <vector>

#include "base/file.h"

namespace spectra::text {

struct PrepareOptions {
  std::vector<fs::path> inputs, valid_files;
  double valid_fraction = 0;  ///< share of the documents of `inputs`, drawn by `seed`; for stories: as many held-out ones are added
  uint64_t stories = 0;       ///< > 0: made-up stories instead of inputs
  uint64_t seed = 1;
  fs::path tokenizer;            ///< a tokenizer.json or a directory with one; empty: train one
  int64_t train_vocabulary = 0;  ///< entries of the tokenizer to train
  fs::path out;
  int threads = 0;  ///< 0 = all cores
};

struct SplitSummary {
  uint64_t tokens = 0, documents = 0;
};

struct PrepareSummary {
  SplitSummary train, valid;
  uint64_t text_bytes = 0;      ///< UTF-8 of all documents
  uint64_t replaced_bytes = 0;  ///< invalid UTF-8 that became U+FFFD
  int64_t vocab = 0;
  std::string tokenizer_sha256;
};

/// Writes the token data directory `options.out`, whole or not at all: every document as its ids and EOS, in the order of the
/// inputs, with the tokenizer's files beside. Text that spells a special token stays text. Throws Error for inputs that cannot be
/// read, for a corpus (or a requested validation split) without a document, and when interrupted.
PrepareSummary prepare(const PrepareOptions& options);

}  // namespace spectra::text
