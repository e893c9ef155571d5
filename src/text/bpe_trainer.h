// SPDX-License-Identifier: Apache-2.0
#pragma once
// Trains a byte-level BPE tokenizer with GPT-2's pre-tokenizer and NFC: the kind GPT-NeoX has, in a vocabulary of one's own.
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>

namespace spectra::text {

/// How often each pre-token occurs. Counters of several threads add up to the same sum in any order.
class WordCounter {
 public:
  /// Counts the pre-tokens of `text` (valid UTF-8) after NFC.
  void add(std::string_view text);
  void add(const WordCounter& other);
  const std::unordered_map<std::string, uint64_t>& counts() const { return counts_; }

 private:
  std::unordered_map<std::string, uint64_t> counts_;
  std::string word_;
};

/// Id 0 ends a document; the 256 bytes follow.
constexpr const char* kEndOfText = "<|endoftext|>";
constexpr int64_t kSmallestVocabulary = 257;

/// The tokenizer.json of `vocabulary` entries: <|endoftext|>, the 256 bytes, then merges, each of the most frequent adjacent pair
/// (ties: the lower ids). A pair that occurs once is never merged, so a small corpus gives fewer entries. Depends on the counts
/// alone. Words of more than 1024 bytes are left out: data that is not text must not decide the vocabulary, nor take all the time.
std::string train_bpe(const WordCounter& words, int64_t vocabulary);

/// tokenizer_config.json and special_tokens_map.json for a tokenizer.json whose documents start with `bos` and end with `eos`.
std::string tokenizer_config_json(const std::string& bos, const std::string& eos, bool adds_bos);
std::string special_tokens_map_json(const std::string& bos, const std::string& eos);

}  // namespace spectra::text
