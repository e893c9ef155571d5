// SPDX-License-Identifier: Apache-2.0
#pragma once
// Remembers the ids of pre-tokens: text repeats its words, and merging one costs far more than finding it again. Belongs to one
// tokenizer and one thread at a time; what it holds never changes a result.
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace spectra::text {

class WordCache {
 public:
  WordCache() : slots_(kFirstSlots) {}
  /// Appends the ids of `word` to `ids` and returns true, if they are known.
  bool find(std::string_view word, std::vector<uint32_t>& ids) const;
  /// Remembers ids[from...] for `word`, which find() did not know. Long words are not kept; a full cache starts anew.
  void keep(std::string_view word, const std::vector<uint32_t>& ids, size_t from);

 private:
  static constexpr size_t kFirstSlots = 1024;
  static constexpr size_t kMostWords = size_t{1} << 19;  // about 40 MB
  static constexpr size_t kLongestWord = 64;             // longer ones hardly repeat
  struct Slot {
    uint64_t hash = 0;
    uint32_t word_at = 0, ids_at = 0;
    uint32_t word_size = 0;  ///< 0 = free: no word is empty
    uint32_t ids_count = 0;
  };
  size_t place(std::string_view word, uint64_t hash) const;
  void grow();
  std::vector<Slot> slots_;  ///< open addressing, a power of two
  std::string words_;
  std::vector<uint32_t> ids_;
  size_t used_ = 0;
};

}  // namespace spectra::text
