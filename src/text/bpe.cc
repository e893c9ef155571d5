// SPDX-License-Identifier: Apache-2.0
#include "text/bpe.h"

#include <algorithm>
#include <bit>
#include <queue>

#include "base/error.h"
#include "text/unicode.h"

namespace spectra::text {
namespace {

using Merge = MergeTable::Merge;
constexpr uint32_t kNoRank = MergeTable::kNoRank;
/// Up to this many symbols a scan of all pairs for each merge is faster than a heap.
constexpr size_t kShort = 48;

void merge_short(const MergeTable& table, std::vector<uint32_t>& ids, size_t from) {
  std::array<Merge, kShort> merges;  // merges[i]: of symbols i and i + 1
  uint32_t* symbols = ids.data() + from;
  size_t count = ids.size() - from;
  for (size_t i = 0; i + 1 < count; ++i) merges[i] = table.find(symbols[i], symbols[i + 1]);
  while (count > 1) {
    size_t best = 0;
    for (size_t i = 1; i + 1 < count; ++i)
      if (merges[i].rank < merges[best].rank) best = i;
    if (merges[best].rank == kNoRank) break;
    symbols[best] = merges[best].result;
    --count;
    std::copy(symbols + best + 2, symbols + count + 1, symbols + best + 1);
    if (best + 1 < count) {
      std::copy(merges.begin() + static_cast<ptrdiff_t>(best) + 1, merges.begin() + static_cast<ptrdiff_t>(count),
                merges.begin() + static_cast<ptrdiff_t>(best));
      merges[best] = table.find(symbols[best], symbols[best + 1]);
    }
    if (best > 0) merges[best - 1] = table.find(symbols[best - 1], symbols[best]);
  }
  ids.resize(from + count);
}

/// Merges with a linked list and a heap of candidates, some of them outdated: O(n log n).
class LongWord {
 public:
  LongWord(const MergeTable& table, const uint32_t* symbols, size_t count) : table_(table), nodes_(count) {
    for (size_t i = 0; i < count; ++i) {
      nodes_[i] = {symbols[i], i == 0 ? kNone : static_cast<uint32_t>(i - 1),
                   i + 1 == count ? kNone : static_cast<uint32_t>(i + 1)};
    }
    for (size_t i = 0; i + 1 < count; ++i) propose(static_cast<uint32_t>(i));
  }

  void run(std::vector<uint32_t>& ids) {
    while (!heap_.empty()) {
      const Candidate next = heap_.top();
      heap_.pop();
      Node& left = nodes_[next.at];
      if (left.id == kNone || left.next == kNone) continue;
      const Merge merge = table_.find(left.id, nodes_[left.next].id);
      if (merge.rank != next.rank) continue;  // one of the two symbols has changed since
      Node& right = nodes_[left.next];
      left.id = merge.result;
      left.next = right.next;
      right.id = kNone;
      if (left.next != kNone) nodes_[left.next].previous = next.at;
      if (left.previous != kNone) propose(left.previous);
      propose(next.at);
    }
    for (uint32_t at = 0; at != kNone; at = nodes_[at].next) ids.push_back(nodes_[at].id);
  }

 private:
  static constexpr uint32_t kNone = ~uint32_t{0};
  struct Node {
    uint32_t id, previous, next;
  };
  struct Candidate {
    uint32_t rank, at;
    bool operator<(const Candidate& other) const { return rank != other.rank ? rank > other.rank : at > other.at; }
  };
  void propose(uint32_t at) {
    if (nodes_[at].next == kNone) return;
    const Merge merge = table_.find(nodes_[at].id, nodes_[nodes_[at].next].id);
    if (merge.rank != kNoRank) heap_.push({merge.rank, at});
  }
  const MergeTable& table_;
  std::vector<Node> nodes_;
  std::priority_queue<Candidate> heap_;
};

}  // namespace

MergeTable::MergeTable(size_t count) {
  const size_t size = std::bit_ceil(std::max<size_t>(2, count * 2));
  slots_.resize(size);
  shift_ = 64 - std::countr_zero(size);
}

size_t MergeTable::place(uint64_t pair) const {
  size_t at = (pair * 0x9E3779B97F4A7C15u) >> shift_;  // Fibonacci hashing
  while (slots_[at].pair != pair && slots_[at].pair != ~uint64_t{0}) at = (at + 1) & (slots_.size() - 1);
  return at;
}

void MergeTable::set(uint32_t left, uint32_t right, Merge merge) {
  const uint64_t pair = uint64_t{left} << 32 | right;
  slots_[place(pair)] = {pair, merge};
}

Merge MergeTable::find(uint32_t left, uint32_t right) const { return slots_[place(uint64_t{left} << 32 | right)].merge; }

void Bpe::append_symbols(std::string_view word, std::vector<uint32_t>& ids) const {
  const size_t from = ids.size();
  const auto append_unknown = [&] {
    if (unknown < 0) return;
    const auto id = static_cast<uint32_t>(unknown);
    if (!fuse_unknown || ids.size() == from || ids.back() != id) ids.push_back(id);
  };
  const auto append_bytes = [&](std::string_view bytes) {
    for (const char byte : bytes) {
      const int64_t id = byte_ids[static_cast<unsigned char>(byte)];
      if (id >= 0) ids.push_back(static_cast<uint32_t>(id));
      if (id < 0) append_unknown();
    }
  };
  if (byte_level) return append_bytes(word);
  for (size_t at = 0; at < word.size();) {
    const size_t begin = at;
    next_code_point(word, at);
    const std::string_view character = word.substr(begin, at - begin);
    const auto entry = vocabulary.find(std::string(character));
    if (entry != vocabulary.end()) {
      ids.push_back(entry->second);
    } else if (byte_fallback) {
      append_bytes(character);
    } else {
      append_unknown();
    }
  }
}

void Bpe::encode(std::string_view word, std::vector<uint32_t>& ids) const {
  if (whole_words) {
    const auto entry = vocabulary.find(std::string(word));
    if (entry != vocabulary.end()) return ids.push_back(entry->second);
  }
  const size_t from = ids.size();
  append_symbols(word, ids);
  const size_t count = ids.size() - from;
  if (count <= 1) return;
  if (count <= kShort) return merge_short(merges, ids, from);
  if (count >= MergeTable::kNoRank) throw bad_input("a word of more than 4 GB cannot be tokenized", "split the text");
  LongWord word_nodes(merges, ids.data() + from, count);
  ids.resize(from);
  word_nodes.run(ids);
}

}  // namespace spectra::text
