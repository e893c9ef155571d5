// SPDX-License-Identifier: Apache-2.0
#include "infer/prefix_index.h"

#include <algorithm>

namespace spectra::infer {
namespace {

/// Any mixing will do: a collision costs a page that is not found again, never a wrong one.
uint64_t hash_of(uint64_t previous, std::span<const int32_t> tokens) {
  uint64_t hash = previous + 1;
  for (const int32_t token : tokens) {
    hash = (hash ^ static_cast<uint32_t>(token)) * 0x9e3779b97f4a7c15;
    hash ^= hash >> 32;
  }
  return hash;
}

}  // namespace

const PrefixIndex::Entry* PrefixIndex::lookup(uint64_t hash, uint64_t previous, std::span<const int32_t> tokens) const {
  const auto found = by_hash_.find(hash);
  if (found == by_hash_.end() || !pages_.kept(found->second)) return nullptr;
  const Entry& entry = entries_[static_cast<size_t>(found->second)];
  return entry.previous == previous && std::equal(tokens.begin(), tokens.end(), entry.tokens.begin()) ? &entry : nullptr;
}

PrefixIndex::Match PrefixIndex::find(std::span<const int32_t> tokens) const {
  Match match;
  for (size_t begin = 0; begin + kPagePositions <= tokens.size(); begin += kPagePositions) {
    const std::span<const int32_t> page = tokens.subspan(begin, kPagePositions);
    const Entry* entry = lookup(hash_of(match.last, page), match.last, page);
    if (entry == nullptr) break;
    match.pages.push_back(static_cast<int32_t>(entry - entries_.data()));
    match.last = entry->number;
  }
  return match;
}

uint64_t PrefixIndex::add(uint64_t previous, std::span<const int32_t> tokens, int32_t page) {
  SPECTRA_CHECK(tokens.size() == kPagePositions, "{} tokens", tokens.size());
  const uint64_t hash = hash_of(previous, tokens);
  if (const Entry* same = lookup(hash, previous, tokens)) return same->number;
  Entry& entry = entries_[static_cast<size_t>(page)];
  if (const auto old = by_hash_.find(entry.hash); old != by_hash_.end() && old->second == page) by_hash_.erase(old);
  entry.number = ++last_number_;
  entry.previous = previous;
  entry.hash = hash;
  std::copy(tokens.begin(), tokens.end(), entry.tokens.begin());
  by_hash_[hash] = page;
  pages_.keep(page);
  return entry.number;
}

}  // namespace spectra::infer
