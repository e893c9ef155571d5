// SPDX-License-Identifier: Apache-2.0
#include "text/bpe_trainer.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <queue>
#include <vector>

#include "base/error.h"
#include "base/system.h"
#include "text/byte_level.h"
#include "text/gpt2_pattern.h"
#include "text/tokenizer.h"

namespace spectra::text {
namespace {

constexpr size_t kLongestWord = 1024;
constexpr int64_t kFewestOccurrences = 2;

struct Word {
  std::vector<uint32_t> symbols;
  int64_t count;
  uint32_t touched = 0;  ///< last merge that looked at this word
};

/// An adjacent pair of symbols, as left << 32 | right: ascending order is that of the ids.
using Pair = uint64_t;

struct Occurrences {
  int64_t count = 0;
  std::vector<uint32_t> words;  ///< where the pair is or once was; may repeat
};

struct Candidate {
  int64_t count;
  Pair pair;
  bool operator<(const Candidate& other) const { return count != other.count ? count < other.count : pair > other.pair; }
};

class Trainer {
 public:
  Trainer(const WordCounter& words, int64_t vocabulary) : target_(static_cast<size_t>(vocabulary)) {
    tokens_.emplace_back(kEndOfText);
    add_byte_symbols();
    std::vector<std::pair<std::string_view, uint64_t>> sorted(words.counts().begin(), words.counts().end());
    std::sort(sorted.begin(), sorted.end());
    for (const auto& [text, count] : sorted) {
      if (text.size() > kLongestWord) continue;
      Word word{{}, static_cast<int64_t>(count)};
      for (const char byte : text) word.symbols.push_back(symbol_of_byte_[static_cast<unsigned char>(byte)]);
      words_.push_back(std::move(word));
    }
  }

  std::string run() {
    for (uint32_t w = 0; w < words_.size(); ++w) count_pairs(w, +1);
    propose_changed();
    while (tokens_.size() < target_ && !heap_.empty()) {
      check_interrupted();
      const Candidate best = heap_.top();
      heap_.pop();
      const int64_t count = pairs_[best.pair].count;
      if (count == best.count) {
        merge(best.pair);
      } else if (count >= kFewestOccurrences) {
        heap_.push({count, best.pair});  // outdated: it goes back to its place
      }
    }
    return to_json();
  }

 private:
  /// Ids 1 to 256 in the order of the symbols' code points: printable bytes first.
  void add_byte_symbols() {
    std::vector<unsigned> bytes(256);
    for (unsigned byte = 0; byte < 256; ++byte) bytes[byte] = byte;
    std::sort(bytes.begin(), bytes.end(),
              [](unsigned a, unsigned b) { return byte_symbol(static_cast<uint8_t>(a)) < byte_symbol(static_cast<uint8_t>(b)); });
    for (const unsigned byte : bytes) {
      symbol_of_byte_[byte] = static_cast<uint32_t>(tokens_.size());
      tokens_.push_back(to_symbols(std::string(1, static_cast<char>(byte))));
    }
    for (uint32_t id = 1; id < tokens_.size(); ++id) ids_[tokens_[id]] = id;
  }

  /// Adds (+1) or takes away (-1) the pairs of word `w`.
  void count_pairs(uint32_t w, int64_t sign) {
    const Word& word = words_[w];
    for (size_t i = 0; i + 1 < word.symbols.size(); ++i) {
      const Pair pair = Pair{word.symbols[i]} << 32 | word.symbols[i + 1];
      Occurrences& found = pairs_[pair];
      found.count += sign * word.count;
      if (sign < 0) continue;
      if (found.words.empty() || found.words.back() != w) found.words.push_back(w);
      changed_.push_back(pair);
    }
  }

  /// Puts the pairs that may have become more frequent into the heap.
  void propose_changed() {
    std::sort(changed_.begin(), changed_.end());
    changed_.erase(std::unique(changed_.begin(), changed_.end()), changed_.end());
    for (const Pair pair : changed_) {
      const int64_t count = pairs_[pair].count;
      if (count >= kFewestOccurrences) heap_.push({count, pair});
    }
    changed_.clear();
  }

  void merge(Pair pair) {
    const auto left = static_cast<uint32_t>(pair >> 32), right = static_cast<uint32_t>(pair);
    const std::string text = tokens_[left] + tokens_[right];
    const auto known =
        ids_.emplace(text, static_cast<uint32_t>(tokens_.size()));  // "a" + "bc" can make what "ab" + "c" made before
    const uint32_t result = known.first->second;
    if (known.second) tokens_.push_back(text);
    merges_.emplace_back(left, right);
    const auto number = static_cast<uint32_t>(merges_.size());
    const std::vector<uint32_t> places = std::move(pairs_[pair].words);
    for (const uint32_t w : places) {
      if (std::exchange(words_[w].touched, number) == number) continue;
      count_pairs(w, -1);
      replace(words_[w].symbols, left, right, result);
      count_pairs(w, +1);
    }
    pairs_.erase(pair);
    propose_changed();
  }

  static void replace(std::vector<uint32_t>& symbols, uint32_t left, uint32_t right, uint32_t result) {
    size_t kept = 0;
    for (size_t i = 0; i < symbols.size(); ++kept) {
      const bool found = symbols[i] == left && i + 1 < symbols.size() && symbols[i + 1] == right;
      symbols[kept] = found ? result : symbols[i];
      i += found ? 2 : 1;
    }
    symbols.resize(kept);
  }

  std::string to_json() const {
    using Json = nlohmann::ordered_json;
    Json vocabulary = Json::object(), merges = Json::array();
    // emplace_back style insertion: operator[] of an ordered object looks through all earlier keys
    auto& entries = vocabulary.get_ref<Json::object_t&>();
    for (size_t id = 0; id < tokens_.size(); ++id) entries.Container::emplace_back(tokens_[id], id);
    for (const auto& [left, right] : merges_) merges.push_back(tokens_[left] + " " + tokens_[right]);
    const Json byte_level = {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}, {"use_regex", true}};
    const Json json = {{"version", "1.0"},
                       {"truncation", nullptr},
                       {"padding", nullptr},
                       {"added_tokens", Json::array({{{"id", 0},
                                                      {"content", kEndOfText},
                                                      {"single_word", false},
                                                      {"lstrip", false},
                                                      {"rstrip", false},
                                                      {"normalized", false},
                                                      {"special", true}}})},
                       {"normalizer", {{"type", "NFC"}}},
                       {"pre_tokenizer", byte_level},
                       {"post_processor", byte_level},
                       {"decoder", byte_level},
                       {"model",
                        {{"type", "BPE"},
                         {"dropout", nullptr},
                         {"unk_token", nullptr},
                         {"continuing_subword_prefix", nullptr},
                         {"end_of_word_suffix", nullptr},
                         {"fuse_unk", false},
                         {"byte_fallback", false},
                         {"vocab", std::move(vocabulary)},
                         {"merges", std::move(merges)}}}};
    return json.dump(1) + "\n";
  }

  size_t target_;
  std::vector<std::string> tokens_;  ///< by id, spelled in the byte alphabet
  std::unordered_map<std::string, uint32_t> ids_;
  uint32_t symbol_of_byte_[256] = {};
  std::vector<Word> words_;
  std::unordered_map<Pair, Occurrences> pairs_;
  std::vector<Pair> changed_;
  std::priority_queue<Candidate> heap_;
  std::vector<std::pair<uint32_t, uint32_t>> merges_;
};

}  // namespace

void WordCounter::add(std::string_view text) {
  const std::string normalized = nfc(text);
  const std::string_view view = normalized;
  for (size_t at = 0; at < view.size();) {
    const size_t end = gpt2_match_end(view, at);
    word_.assign(view.substr(at, end - at));
    ++counts_[word_];
    at = end;
  }
}

void WordCounter::add(const WordCounter& other) {
  for (const auto& [word, count] : other.counts_) counts_[word] += count;
}

std::string train_bpe(const WordCounter& words, int64_t vocabulary) {
  SPECTRA_CHECK(vocabulary >= kSmallestVocabulary, "vocabulary={}", vocabulary);
  return Trainer(words, vocabulary).run();
}

std::string tokenizer_config_json(const std::string& bos, const std::string& eos, bool adds_bos) {
  return nlohmann::ordered_json{{"tokenizer_class", "PreTrainedTokenizerFast"},
                                {"add_bos_token", adds_bos},
                                {"add_prefix_space", false},
                                {"bos_token", bos},
                                {"eos_token", eos},
                                {"clean_up_tokenization_spaces", false}}
             .dump(2) +
         "\n";
}

std::string special_tokens_map_json(const std::string& bos, const std::string& eos) {
  return nlohmann::ordered_json{{"bos_token", bos}, {"eos_token", eos}}.dump(2) + "\n";
}

}  // namespace spectra::text
