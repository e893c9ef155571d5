// SPDX-License-Identifier: Apache-2.0
#pragma once
// SentencePiece-like vocabularies, where a pair of tokens merges to a token with a score, as tokenizer.json (Llama 2 style: BPE
// with byte fallback).
#include <string>
#include <vector>

namespace spectra::text {

/// U+2581, which stands for a space in spellings.
constexpr const char* kSpaceMarker = "\xE2\x96\x81";

struct ScoredToken {
  std::string spelling;  ///< with U+2581 for spaces; bytes are <0x00> to <0xFF>
  float score = 0;
  bool mergeable = false;  ///< neither a byte nor special
  bool special = false;    ///< <s>, </s>, <unk>
};

/// The merges are all pairs that make a token, by falling score. `where`: for messages. `unknown`, `bos`: ids; `add_prefix`: a text
/// begins with a space. Throws Error where a spelling is empty or occurs twice.
std::string scored_tokenizer_json(const std::vector<ScoredToken>& tokens, size_t unknown, size_t bos, bool add_prefix,
                                  const std::string& where);

}  // namespace spectra::text
