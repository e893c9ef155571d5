// SPDX-License-Identifier: Apache-2.0
#pragma once
// Byte pair encoding of one pre-token: it starts as one symbol per byte (or character), and the adjacent pair of the best rank is
// merged, leftmost first, until no pair is in the table (Sennrich et al., "Neural machine translation of rare words", ACL 2016).
#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace spectra::text {

/// What two adjacent tokens become, by open addressing.
class MergeTable {
 public:
  static constexpr uint32_t kNoRank = ~uint32_t{0};
  struct Merge {
    uint32_t rank = kNoRank;  ///< the lowest goes first
    uint32_t result = 0;
  };
  explicit MergeTable(size_t count = 0);
  /// At most `count` different pairs; the last one set for a pair stays.
  void set(uint32_t left, uint32_t right, Merge merge);
  Merge find(uint32_t left, uint32_t right) const;

 private:
  struct Slot {
    uint64_t pair = ~uint64_t{0};
    Merge merge;
  };
  size_t place(uint64_t pair) const;
  std::vector<Slot> slots_;
  int shift_ = 0;
};

struct Bpe {
  std::unordered_map<std::string, uint32_t>
      vocabulary;  ///< bytes of a token -> id; empty where bytes are symbols and words are merged
  MergeTable merges;
  bool byte_level = true;               ///< the first symbols are bytes; otherwise characters
  bool whole_words = false;             ///< a pre-token that is a vocabulary entry needs no merging (`ignore_merges`)
  bool byte_fallback = false;           ///< a character without a symbol becomes its bytes
  bool fuse_unknown = false;            ///< one unknown token for several symbols
  int64_t unknown = -1;                 ///< id for what has no symbol; -1: dropped, as in HF
  std::array<int64_t, 256> byte_ids{};  ///< the symbol of a byte (byte level) or its fallback token; -1 = none

  /// Appends the ids of `word`, which is valid UTF-8.
  void encode(std::string_view word, std::vector<uint32_t>& ids) const;

 private:
  void append_symbols(std::string_view word, std::vector<uint32_t>& ids) const;
};

}  // namespace spectra::text
