// SPDX-License-Identifier: Apache-2.0
#pragma once
// A small token data directory: sentences of a made-up grammar, so that a model can learn something from them.
#include <algorithm>
#include <fstream>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/hash.h"
#include "base/rng.h"
#include "format/token_data.h"
#include "test_data.h"

namespace spectra::test {

constexpr uint32_t kTinyVocab = 100;

/// Writes exactly `train` and `valid` tokens; returns `path`. Token 0 is EOS; others mostly follow as t -> 3 t + 1.
inline fs::path write_tiny_data(const fs::path& path, uint64_t train, uint64_t valid, uint64_t seed = 1,
                                const std::string& tokenizer = "{\"tiny\": true}") {
  format::TokenDataWriter writer(path, kTinyVocab);
  Rng rng(seed);
  const auto write_split = [&](const std::string& split, uint64_t tokens) {
    uint32_t last = 1;
    while (tokens > 0) {
      std::vector<uint32_t> document(std::min<uint64_t>(tokens, 5 + rng.below(30)), 0);
      for (size_t i = 0; i + 1 < document.size(); ++i) {
        last = rng.uniform() < 0.9 ? 1 + (3 * last + 1) % (kTinyVocab - 1) : 1 + static_cast<uint32_t>(rng.below(kTinyVocab - 1));
        document[i] = last;
      }
      writer.append(split, document);
      tokens -= document.size();
    }
  };
  write_split("train", train);
  if (valid > 0) write_split("valid", valid);
  std::ofstream(writer.path() / "tokenizer.json") << tokenizer;
  format::TokenDataInfo info;
  info.tokenizer_sha256 = sha256(tokenizer);
  info.vocab = kTinyVocab;
  info.eos = 0;
  writer.finish(info);
  return path;
}

}  // namespace spectra::test
