// SPDX-License-Identifier: Apache-2.0
#pragma once
// Keys and values of all sequences, in pages of one memory region whose size is fixed at the start. A page holds 64 positions of
// all layers and kv heads. Pages count the sequences that own them: one with several owners is never written, so sequences that
// begin alike share memory. After construction nothing is allocated but a sequence's list of pages.
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/error.h"
#include "model/config.h"

namespace spectra::infer {

/// How keys and values are stored: int8 with a scale, absmax/127, for the key and the value of each position and head.
enum class KvType : uint8_t { kFp32, kFp16, kInt8 };
const char* kv_type_name(KvType type);  ///< "fp32", "fp16", "int8"
/// Throws Error (exit 2) listing the three.
KvType kv_type_from_name(const std::string& name);

constexpr int64_t kPagePositions = 64;
/// Pages that `positions` positions fill, the last one perhaps in part.
constexpr int64_t kv_pages(int64_t positions) { return (positions + kPagePositions - 1) / kPagePositions; }

/// Bytes of one layer and kv head in a page, see infer/attention.h. A multiple of 64.
int64_t kv_head_bytes(const model::Config& config, KvType type);
/// Bytes of a page: (layers, kv heads) of these.
int64_t kv_page_bytes(const model::Config& config, KvType type);

/// Positions of one sequence. Position p is at p % 64 of pages[p / 64].
struct KvSequence {
  std::vector<int32_t> pages;  ///< kv_pages(length) ids
  int64_t length = 0;          ///< positions filled
};

/// Thrown where a batch needs more pages than are free; nothing was changed. Exit 5.
class KvFull : public Error {
 public:
  KvFull(int64_t needed, int64_t free, int64_t pages);
};

class KvStore {
 public:
  /// `budget` in bytes; the system hands memory out as pages are first written. Throws Error (exit 5) where the budget is below one
  /// page, or beyond what can be mapped.
  KvStore(const model::Config& config, KvType type, uint64_t budget);
  ~KvStore();
  KvStore(const KvStore&) = delete;
  KvStore& operator=(const KvStore&) = delete;

  int64_t page_bytes() const { return page_bytes_; }
  int64_t pages() const { return static_cast<int64_t>(owners_.size()); }
  int64_t free_pages() const { return free_count_; }
  std::byte* page(int32_t id) { return memory_ + id * page_bytes_; }

  void retain(int32_t id);   ///< one owner more; the page has one, or is kept
  void release(int32_t id);  ///< one owner less; without any the page is free

  /// The page may be wanted again: once free it is handed out only after those that nobody keeps, the longest free first.
  void keep(int32_t id) { kept_[static_cast<size_t>(id)] = true; }
  /// Nothing has been written to the page since keep().
  bool kept(int32_t id) const { return kept_[static_cast<size_t>(id)]; }
  int32_t owners(int32_t id) const { return owners_[static_cast<size_t>(id)]; }

  /// A sequence of `length` positions that owns `pages`, kv_pages(length) of them, as by retain().
  KvSequence share(std::span<const int32_t> pages, int64_t length);
  /// Drops all positions.
  void clear(KvSequence& sequence);

  /// Free pages that claim() takes, at most.
  int64_t pages_needed(const KvSequence& sequence, int64_t begin, int64_t end) const;
  /// Makes positions [begin, end) writable and `end` the length; 0 <= begin <= length, begin < end. Positions before `begin` keep
  /// what they hold: where they lie in a page with other owners, it is copied.
  void claim(KvSequence& sequence, int64_t begin, int64_t end);

 private:
  int32_t allocate();
  void link(int32_t id, int32_t before);
  void unlink(int32_t id);

  int64_t page_bytes_;
  std::byte* memory_ = nullptr;
  std::vector<int32_t> owners_;       // (pages)
  std::vector<bool> kept_;            // (pages)
  std::vector<int32_t> next_, prev_;  // (pages + 1): the ring of free pages, beginning and ending at entry `pages`
  int64_t free_count_ = 0;
};

}  // namespace spectra::infer
