// SPDX-License-Identifier: Apache-2.0
#pragma once
// Finds pages of keys and values by the tokens they were computed from, so that what prompts have in common is computed once. Only
// full pages are indexed. A page stands for its 64 tokens and all before them: an entry names its predecessor by a number that
// is never used again, and both are compared, so a match is exact and the hash only leads to it.
#include <array>
#include <cstdint>
#include <span>
#include <unordered_map>
#include <vector>

#include "infer/kv_pages.h"

namespace spectra::infer {

class PrefixIndex {
 public:
  static constexpr uint64_t kStart = 0;  ///< the predecessor of first pages

  explicit PrefixIndex(KvPages& pages) : pages_(pages), entries_(static_cast<size_t>(pages.pages())) {}

  struct Match {
    std::vector<int32_t> pages;
    uint64_t last = kStart;  ///< number of the last page's entry
  };
  /// The longest run of pages that hold the beginning of `tokens`. They may be free: retain() before anything is claimed.
  Match find(std::span<const int32_t> tokens) const;

  /// `page` holds `tokens` (64) after entry `previous`. Keeps the page, unless another one holds the same. Returns the entry's
  /// number.
  uint64_t add(uint64_t previous, std::span<const int32_t> tokens, int32_t page);

 private:
  struct Entry {  // of a page; stands while KvPages keep it
    uint64_t number = 0, previous = kStart, hash = 0;
    std::array<int32_t, kPagePositions> tokens{};
  };
  const Entry* lookup(uint64_t hash, uint64_t previous, std::span<const int32_t> tokens) const;

  KvPages& pages_;
  std::vector<Entry> entries_;                     // (pages)
  std::unordered_map<uint64_t, int32_t> by_hash_;  // page of an entry; at most one a page
  uint64_t last_number_ = kStart;
};

}  // namespace spectra::infer
