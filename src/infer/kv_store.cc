// SPDX-License-Identifier: Apache-2.0
#include "infer/kv_store.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstring>
#include <limits>

namespace spectra::infer {

const char* kv_type_name(KvType type) {
  switch (type) {
    case KvType::kFp32:
      return "fp32";
    case KvType::kFp16:
      return "fp16";
    case KvType::kInt8:
      return "int8";
  }
  return "?";
}

KvType kv_type_from_name(const std::string& name) {
  for (const KvType type : {KvType::kFp32, KvType::kFp16, KvType::kInt8})
    if (name == kv_type_name(type)) return type;
  throw Error(Exit::kUsage, fmt::format("--kv {} is unknown", name), "allowed: fp32, fp16, int8");
}

int64_t kv_head_bytes(const model::Config& config, KvType type) {
  const int64_t width = (config.head_dim() + 15) / 16 * 16;  // of a value
  const int64_t elements = kPagePositions * (config.head_dim() + width);
  switch (type) {
    case KvType::kFp32:
      return elements * static_cast<int64_t>(sizeof(float));
    case KvType::kFp16:
      return elements * static_cast<int64_t>(sizeof(uint16_t));
    case KvType::kInt8:
      return elements + 2 * kPagePositions * static_cast<int64_t>(sizeof(float));
  }
  SPECTRA_CHECK(false, "type {}", static_cast<int>(type));
}

int64_t kv_page_bytes(const model::Config& config, KvType type) {
  return config.layers * config.kv_heads * kv_head_bytes(config, type);
}

KvFull::KvFull(int64_t needed, int64_t free, int64_t pages)
    : Error(Exit::kRefused,
            fmt::format("keys and values need {} more pages of {} positions, and {} of {} are free", needed, kPagePositions, free,
                        pages),
            "give them more memory (--kv-memory), or run fewer or shorter sequences") {}

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
  kept_.resize(pages);
  next_.assign(pages + 1, static_cast<int32_t>(pages));
  prev_ = next_;
  for (int32_t id = 0; id < static_cast<int32_t>(pages); ++id) link(id, static_cast<int32_t>(pages));
}

KvStore::~KvStore() { ::munmap(memory_, owners_.size() * static_cast<size_t>(page_bytes_)); }

/// Puts a free page into the ring before another one (or before its end, entry `pages`).
void KvStore::link(int32_t id, int32_t before) {
  const auto at = static_cast<size_t>(id), next = static_cast<size_t>(before);
  next_[at] = before;
  prev_[at] = prev_[next];
  next_[static_cast<size_t>(prev_[next])] = id;
  prev_[next] = id;
  ++free_count_;
}

void KvStore::unlink(int32_t id) {
  const auto at = static_cast<size_t>(id);
  next_[static_cast<size_t>(prev_[at])] = next_[at];
  prev_[static_cast<size_t>(next_[at])] = prev_[at];
  --free_count_;
}

int32_t KvStore::allocate() {
  SPECTRA_CHECK(free_count_ > 0);
  const int32_t id = next_.back();
  unlink(id);
  owners_[static_cast<size_t>(id)] = 1;
  kept_[static_cast<size_t>(id)] = false;
  return id;
}

void KvStore::retain(int32_t id) {
  int32_t& owners = owners_.at(static_cast<size_t>(id));
  SPECTRA_CHECK(owners > 0 || kept(id), "page {}", id);
  if (owners++ == 0) unlink(id);
}

void KvStore::release(int32_t id) {
  int32_t& owners = owners_.at(static_cast<size_t>(id));
  SPECTRA_CHECK(owners > 0, "page {}", id);
  // A page that nobody keeps goes to the front: it was written just now, so using it again touches no more memory.
  if (--owners == 0) link(id, kept(id) ? static_cast<int32_t>(pages()) : next_.back());
}

KvSequence KvStore::share(std::span<const int32_t> pages, int64_t length) {
  SPECTRA_CHECK(kv_pages(length) == static_cast<int64_t>(pages.size()), "{} pages, {} positions", pages.size(), length);
  for (const int32_t id : pages) retain(id);
  return {{pages.begin(), pages.end()}, length};
}

void KvStore::clear(KvSequence& sequence) {
  // From the end, so that of what is kept the beginning, which others can share, is handed out last.
  for (; !sequence.pages.empty(); sequence.pages.pop_back()) release(sequence.pages.back());
  sequence.length = 0;
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
    } else {
      kept_[static_cast<size_t>(pages[i])] = false;
    }
  }
  sequence.length = end;
}

}  // namespace spectra::infer
