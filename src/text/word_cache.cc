// SPDX-License-Identifier: Apache-2.0
#include "text/word_cache.h"

#include <algorithm>
#include <cstddef>
#include <cstring>

namespace spectra::text {
namespace {

/// Eight bytes at a time through multiplications by odd constants; quality matters only for the spread over slots.
uint64_t hash_of(std::string_view word) {
  uint64_t hash = word.size() * 0x9E3779B97F4A7C15u;
  const char* data = word.data();
  size_t left = word.size();
  while (left > 0) {
    uint64_t block = 0;
    const size_t count = std::min<size_t>(left, 8);
    std::memcpy(&block, data, count);
    hash = (hash ^ block) * 0xFF51AFD7ED558CCDu;
    hash ^= hash >> 32;
    data += count;
    left -= count;
  }
  return hash;
}

}  // namespace

size_t WordCache::place(std::string_view word, uint64_t hash) const {
  const size_t mask = slots_.size() - 1;
  size_t at = hash & mask;
  for (; slots_[at].word_size != 0; at = (at + 1) & mask) {
    const Slot& slot = slots_[at];
    if (slot.hash == hash && slot.word_size == word.size() &&
        std::memcmp(words_.data() + slot.word_at, word.data(), word.size()) == 0)
      break;
  }
  return at;
}

bool WordCache::find(std::string_view word, std::vector<uint32_t>& ids) const {
  if (word.size() > kLongestWord) return false;
  const Slot& slot = slots_[place(word, hash_of(word))];
  if (slot.word_size == 0) return false;
  const auto begin = ids_.begin() + slot.ids_at;
  ids.insert(ids.end(), begin, begin + slot.ids_count);
  return true;
}

void WordCache::keep(std::string_view word, const std::vector<uint32_t>& ids, size_t from) {
  if (word.size() > kLongestWord || word.empty()) return;
  if (used_ == kMostWords) *this = WordCache();
  if (used_ * 2 >= slots_.size()) grow();
  const uint64_t hash = hash_of(word);
  Slot& slot = slots_[place(word, hash)];
  slot = {hash, static_cast<uint32_t>(words_.size()), static_cast<uint32_t>(ids_.size()), static_cast<uint32_t>(word.size()),
          static_cast<uint32_t>(ids.size() - from)};
  words_.append(word);
  ids_.insert(ids_.end(), ids.begin() + static_cast<std::ptrdiff_t>(from), ids.end());
  ++used_;
}

void WordCache::grow() {
  std::vector<Slot> old(slots_.size() * 2);
  old.swap(slots_);
  const size_t mask = slots_.size() - 1;
  for (const Slot& slot : old) {
    if (slot.word_size == 0) continue;
    size_t at = slot.hash & mask;
    while (slots_[at].word_size != 0) at = (at + 1) & mask;
    slots_[at] = slot;
  }
}

}  // namespace spectra::text
