// SPDX-License-Identifier: Apache-2.0
#pragma once
// Tokenizers as GGUF files describe them (tokenizer.ggml.*), from and to tokenizer.json. Two kinds:
//
//   gpt2    byte-level BPE. Normal tokens are spelled in the byte alphabet, added ones as they are; merges are "left right".
//           `pre` names the pre-tokenizer: "olmo" (GPT-2's pattern; GPT-NeoX's files are read as this one) where texts are brought
//           to NFC first, "gpt-2" where not. llama.cpp does no NFC itself.
//   llama   SentencePiece-like BPE with byte fallback; what a pair of tokens merges to has a score, the best goes first.
//
// Rows of the embedding that no token has are spelled "[PAD<id>]", as texts must differ.
#include <cstdint>
#include <string>
#include <vector>

#include "format/gguf.h"
#include "text/tokenizer.h"

namespace spectra::text {

enum class GgufTokenType : int32_t { kNormal = 1, kUnknown = 2, kControl = 3, kUserDefined = 4, kUnused = 5, kByte = 6 };

struct GgufTokenizer {
  std::string model, pre;
  std::vector<std::string> tokens;
  std::vector<int32_t> types;       ///< GgufTokenType of each
  std::vector<float> scores;        ///< of each; llama only
  std::vector<std::string> merges;  ///< gpt2 only
  int32_t bos = -1, eos = -1;       ///< -1 = none
  bool add_bos = false;
  bool add_space_prefix = true;  ///< llama only
};

/// `vocab`: rows of the embedding, at least the tokenizer's entries. Throws Error where GGUF has no way to say what the tokenizer
/// does: another pre-tokenizer, merges that are in no order of scores.
GgufTokenizer gguf_tokenizer(const Tokenizer& tokenizer, int64_t vocab);
void put_tokenizer(const GgufTokenizer& tokenizer, format::GgufMetadata& metadata);

/// Throws Error where the file's tokenizer is of another kind or damaged.
GgufTokenizer read_gguf_tokenizer(const format::GgufContents& contents);
/// The tokenizer.json that encodes and decodes alike.
std::string tokenizer_json_from_gguf(const GgufTokenizer& tokenizer, const std::string& where);

}  // namespace spectra::text
