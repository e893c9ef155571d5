// SPDX-License-Identifier: Apache-2.0
#pragma once
// Which pages hold the keys and values of which sequence. A page has room for 64 positions of all layers and kv heads. Pages count
// the sequences that own them: one with several owners is never written, so sequences that begin alike share pages. Only numbers
// are kept here; the bytes belong to whatever runs forward passes (infer/forward.h). After construction nothing is allocated but a
// sequence's list of pages.
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/error.h"

namespace spectra::infer {

constexpr int64_t kPagePositions = 64;
/// Pages that `positions` positions fill, the last one perhaps in part.
constexpr int64_t kv_pages(int64_t positions) { return (positions + kPagePositions - 1) / kPagePositions; }

/// Positions of one sequence. Position p is at p % 64 of pages[p / 64].
struct KvSequence {
  std::vector<int32_t> pages;  ///< kv_pages(length) ids
  int64_t length = 0;          ///< positions filled
};

/// The bytes of page `from` are to be copied to page `to`.
struct PageCopy {
  int32_t from, to;
};

/// Thrown where a batch needs more pages than are free; nothing was changed. Exit 5.
class KvFull : public Error {
 public:
  KvFull(int64_t needed, int64_t free, int64_t pages);
};

class KvPages {
 public:
  /// Pages 0 to `count` - 1, all of them free.
  explicit KvPages(int64_t count);
  KvPages(const KvPages&) = delete;
  KvPages& operator=(const KvPages&) = delete;

  int64_t pages() const { return static_cast<int64_t>(owners_.size()); }
  int64_t free_pages() const { return free_count_; }

  void retain(int32_t id);   ///< one owner more; the page has one, or is kept
  void release(int32_t id);  ///< one owner less; without any the page is free

  /// The page may be wanted again: once free it is handed out only after those that nobody keeps, the longest free first.
  void keep(int32_t id) { kept_[static_cast<size_t>(id)] = true; }
  /// Nobody has claimed the page for writing since keep().
  bool kept(int32_t id) const { return kept_[static_cast<size_t>(id)]; }
  int32_t owners(int32_t id) const { return owners_[static_cast<size_t>(id)]; }

  /// A sequence of `length` positions that owns `pages`, kv_pages(length) of them, as by retain().
  KvSequence share(std::span<const int32_t> pages, int64_t length);
  /// Drops all positions.
  void clear(KvSequence& sequence);

  /// Free pages that claim() takes, at most.
  int64_t pages_needed(const KvSequence& sequence, int64_t begin, int64_t end) const;
  /// Makes positions [begin, end) writable and `end` the length; 0 <= begin <= length, begin < end. Positions before `begin` keep
  /// what they hold: where they lie in a page with other owners, the sequence gets another page, to which the caller must copy it
  /// before anything is written to either of the two. Copies of several claims are to be made in the order of the claims.
  std::optional<PageCopy> claim(KvSequence& sequence, int64_t begin, int64_t end);

 private:
  int32_t allocate();
  void link(int32_t id, int32_t before);
  void unlink(int32_t id);

  std::vector<int32_t> owners_;       // (pages)
  std::vector<bool> kept_;            // (pages)
  std::vector<int32_t> next_, prev_;  // (pages + 1): the ring of free pages, beginning and ending at entry `pages`
  int64_t free_count_ = 0;
};

}  // namespace spectra::infer
