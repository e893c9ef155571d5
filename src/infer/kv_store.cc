// SPDX-License-Identifier: Apache-2.0
#include "infer/kv_store.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstring>
#include <limits>

namespace spectra::infer {

int64_t kv_page_bytes(const model::Config& config, KvType type) {
  SPECTRA_CHECK(type == KvType::kFp32, "type {}", static_cast<int>(type));
  return config.layers * config.kv_dim() * 2 * kPagePositions * static_cast<int64_t>(sizeof(float));
}

KvFull::KvFull(int64_t needed, int64_t free, int64_t pages)
    : Error(Exit::kRefused,
            fmt::format("keys and values need {} more pages of {} positions, and {} of {} are free", needed, kPagePositions, free,
                        pages),
            "give them more memory, or run fewer or shorter sequences") {}

KvStore::KvStore(const model::Config& config, KvType type, uint64_t budget) : page_bytes_(kv_page_bytes(config, type)) {
  const uint64_t pages = std::min<uint64_t>(budget / static_cast<uint64_t>(page_bytes_), std::numeric_limits<int32_t>::max());
  if (pages == 0)
    throw Error(Exit::kRefused,
                fmt::format("{} bytes for keys and values are less than one page of {} positions, {} bytes", budget, kPagePositions,
                            page_bytes_),
                fmt::format("a sequence of the whole context, {} positions, needs {} bytes", config.max_position,
                            kv_pages(config.max_position) * page_bytes_));
  const size_t bytes = pages * static_cast<uint64_t>(page_bytes_);
  void* memory = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED)
    throw Error(Exit::kRefused, fmt::format("cannot reserve {} bytes for keys and values", bytes), "give them less memory");
  ::madvise(memory, bytes, MADV_HUGEPAGE);  // pages of 4 KiB halve the bandwidth; where there are no others it works all the same
  memory_ = static_cast<std::byte*>(memory);
  owners_.resize(pages);
  for (size_t id = pages; id-- > 0;) free_.push_back(static_cast<int32_t>(id));
}

KvStore::~KvStore() { ::munmap(memory_, owners_.size() * static_cast<size_t>(page_bytes_)); }

int32_t KvStore::allocate() {
  SPECTRA_CHECK(!free_.empty());
  const int32_t id = free_.back();
  free_.pop_back();
  owners_[static_cast<size_t>(id)] = 1;
  return id;
}

void KvStore::retain(int32_t id) {
  SPECTRA_CHECK(owners_.at(static_cast<size_t>(id)) > 0, "page {}", id);
  ++owners_[static_cast<size_t>(id)];
}

void KvStore::release(int32_t id) {
  SPECTRA_CHECK(owners_.at(static_cast<size_t>(id)) > 0, "page {}", id);
  if (--owners_[static_cast<size_t>(id)] == 0) free_.push_back(id);
}

KvSequence KvStore::share(std::span<const int32_t> pages, int64_t length) {
  SPECTRA_CHECK(kv_pages(length) == static_cast<int64_t>(pages.size()), "{} pages, {} positions", pages.size(), length);
  for (const int32_t id : pages) retain(id);
  return {{pages.begin(), pages.end()}, length};
}

void KvStore::clear(KvSequence& sequence) {
  for (const int32_t id : sequence.pages) release(id);
  sequence = {};
}

int64_t KvStore::pages_needed(const KvSequence& sequence, int64_t begin, int64_t end) const {
  const auto held = static_cast<int64_t>(sequence.pages.size());
  int64_t needed = 0;
  for (int64_t i = begin / kPagePositions; i < kv_pages(end); ++i)
    needed += i >= held || owners_[static_cast<size_t>(sequence.pages[static_cast<size_t>(i)])] > 1;
  return needed;
}

void KvStore::claim(KvSequence& sequence, int64_t begin, int64_t end) {
  SPECTRA_CHECK(begin >= 0 && begin <= sequence.length && begin < end, "{} to {} of {}", begin, end, sequence.length);
  std::vector<int32_t>& pages = sequence.pages;
  const auto count = static_cast<size_t>(kv_pages(end));
  for (; pages.size() > count; pages.pop_back()) release(pages.back());
  for (auto i = static_cast<size_t>(begin / kPagePositions); i < count; ++i) {
    if (i == pages.size()) {
      pages.push_back(allocate());
    } else if (const int32_t shared = pages[i]; owners_[static_cast<size_t>(shared)] > 1) {
      pages[i] = allocate();
      const bool keeps = begin > static_cast<int64_t>(i) * kPagePositions;  // positions before begin lie in it
      if (keeps) std::memcpy(page(pages[i]), page(shared), static_cast<size_t>(page_bytes_));
      release(shared);
    }
  }
  sequence.length = end;
}

}  // namespace spectra::infer
