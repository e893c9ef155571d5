// SPDX-License-Identifier: Apache-2.0
#pragma once
// What a tokenizer.json says, ready to run.
#include <string>
#include <vector>

#include "text/added_tokens.h"
#include "text/bpe.h"
#include "text/json_field.h"
#include "text/normalizer.h"
#include "text/pre_tokenizer.h"

namespace spectra::text {

struct TokenizerParts {
  AddedTokenMatcher raw_tokens;         ///< found in the text as given (normalized: false)
  AddedTokenMatcher normalized_tokens;  ///< found in the normalized text
  Normalizer normalizer;
  PreTokenizer pre_tokenizer;
  Bpe bpe;
  std::vector<std::string> bytes;  ///< by id: what the token stands for in text; empty where there is none
  std::vector<bool> special;       ///< by id
  size_t strip_spaces = 0;         ///< so many leading spaces of a decoded text are dropped
  int32_t bos = -1, eos = -1;
  bool adds_bos = false;
};

/// `config`: the text of tokenizer_config.json, which may name bos_token and eos_token; empty if there is none. Throws Error for
/// what is damaged or not supported.
TokenizerParts read_tokenizer_json(const std::string& json, const std::string& config, const std::string& where);

/// How token spellings become bytes (the "decoder").
struct Decoder {
  Normalizer replacements;
  bool byte_fallback = false;  ///< <0x0A> is one byte
  size_t strip_spaces = 0;
};

/// The parts of tokenizer.json that are chains of steps; `root` is the document.
void read_normalizer(const JsonField& root, Normalizer& normalizer);
/// Returns true when a ByteLevel step is among them, that is, when the vocabulary is spelled in the byte alphabet.
bool read_pre_tokenizer(const JsonField& root, PreTokenizer& pre_tokenizer);
Decoder read_decoder(const JsonField& root, bool byte_level);

}  // namespace spectra::text
