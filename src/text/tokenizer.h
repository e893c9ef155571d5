// SPDX-License-Identifier: Apache-2.0
#pragma once
// Runs a Hugging Face tokenizer.json of kind BPE: byte-level (GPT-2, GPT-NeoX, our own) or score-merged with byte fallback
// (Llama 2, made from llama2.c tok*.bin). Encoding order: special added tokens on the raw text, NFC of the rest, other added tokens
// (leftmost-longest), pre-tokenizer, merges. Thread-safe: encode and decode are const and keep no state.
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"

namespace spectra::text {

class WordCache;

class Tokenizer {
 public:
  /// Reads a tokenizer.json (also .gz), or a directory that holds one, where tokenizer_config.json names BOS and EOS if it is
  /// there. Throws Error naming what is not supported or damaged.
  static Tokenizer load(const fs::path& path);
  /// Reads the JSON text itself; errors call it `where`. `config`: the text of tokenizer_config.json, if any.
  static Tokenizer parse(const std::string& document, const std::string& where, const std::string& config = "");

  /// Ids of `text`. Invalid UTF-8 is replaced by U+FFFD first (`replaced` counts the bytes). `allow_special`: text like
  /// "<|endoftext|>" becomes its id, as in HF; false: it is encoded as ordinary text. No BOS or EOS is added.
  /// `cache`: kept between calls with many short texts, it saves their common words being merged again.
  std::vector<uint32_t> encode(std::string_view text, bool allow_special = true, uint64_t* replaced = nullptr,
                               WordCache* cache = nullptr) const;
  /// Ids of a text as a model reads it from the beginning: BOS before them where the tokenizer adds one, or where there are none
  /// and the model would have nothing to begin with. Without a BOS they stay alone.
  std::vector<int32_t> with_bos(const std::vector<uint32_t>& ids) const;
  /// Bytes of `ids`, special tokens skipped unless `keep_special`. Unknown ids (padding rows of the vocabulary) give nothing.
  std::string decode(const std::vector<uint32_t>& ids, bool keep_special = false) const;
  /// The bytes that token `id` adds after `previous` (-1 = at the start): for streaming. May be a part of a UTF-8 character.
  std::string piece(uint32_t id, int64_t previous = -1) const;

  int64_t vocab_size() const;  ///< largest id + 1, added tokens included
  int32_t bos() const;         ///< id that starts a text; eos() where the tokenizer has no own
  int32_t eos() const;         ///< id that ends a document
  bool adds_bos() const;       ///< the model expects BOS before a prompt (Llama 2 style); false for GPT-NeoX
  bool is_special(uint32_t id) const;
  const std::string& sha256() const;  ///< the hash of the JSON text
  const std::string& json() const;    ///< the JSON text, to write beside a model

 private:
  struct Impl;
  std::shared_ptr<const Impl> impl_;
};

/// Normalization form C of valid UTF-8.
std::string nfc(std::string_view text);
/// Replaces every maximal invalid part by U+FFFD, as the Unicode standard recommends; counts replaced bytes.
std::string sanitize_utf8(std::string_view text, uint64_t* replaced = nullptr);

}  // namespace spectra::text
