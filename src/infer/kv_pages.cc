// SPDX-License-Identifier: Apache-2.0
#include "infer/kv_pages.h"

namespace spectra::infer {

KvFull::KvFull(int64_t needed, int64_t free, int64_t pages)
    : Error(Exit::kRefused,
            fmt::format("keys and values need {} more pages of {} positions, and {} of {} are free", needed, kPagePositions, free,
                        pages),
            "give them more memory (--kv-memory), or run fewer or shorter sequences") {}

KvPages::KvPages(int64_t count)
    : owners_(static_cast<size_t>(count)),
      kept_(static_cast<size_t>(count)),
      next_(static_cast<size_t>(count) + 1, static_cast<int32_t>(count)),
      prev_(next_) {
  for (int32_t id = 0; id < static_cast<int32_t>(count); ++id) link(id, static_cast<int32_t>(count));
}

/// Puts a free page into the ring before another one (or before its end, entry `pages`).
void KvPages::link(int32_t id, int32_t before) {
  const auto at = static_cast<size_t>(id), next = static_cast<size_t>(before);
  next_[at] = before;
  prev_[at] = prev_[next];
  next_[static_cast<size_t>(prev_[next])] = id;
  prev_[next] = id;
  ++free_count_;
}

void KvPages::unlink(int32_t id) {
  const auto at = static_cast<size_t>(id);
  next_[static_cast<size_t>(prev_[at])] = next_[at];
  prev_[static_cast<size_t>(next_[at])] = prev_[at];
  --free_count_;
}

int32_t KvPages::allocate() {
  SPECTRA_CHECK(free_count_ > 0);
  const int32_t id = next_.back();
  unlink(id);
  owners_[static_cast<size_t>(id)] = 1;
  kept_[static_cast<size_t>(id)] = false;
  return id;
}

void KvPages::retain(int32_t id) {
  int32_t& owners = owners_.at(static_cast<size_t>(id));
  SPECTRA_CHECK(owners > 0 || kept(id), "page {}", id);
  if (owners++ == 0) unlink(id);
}

void KvPages::release(int32_t id) {
  int32_t& owners = owners_.at(static_cast<size_t>(id));
  SPECTRA_CHECK(owners > 0, "page {}", id);
  // A page that nobody keeps goes to the front: it was written just now, so using it again touches no more memory.
  if (--owners == 0) link(id, kept(id) ? static_cast<int32_t>(pages()) : next_.back());
}

KvSequence KvPages::share(std::span<const int32_t> pages, int64_t length) {
  SPECTRA_CHECK(kv_pages(length) == static_cast<int64_t>(pages.size()), "{} pages, {} positions", pages.size(), length);
  for (const int32_t id : pages) retain(id);
  return {{pages.begin(), pages.end()}, length};
}

void KvPages::clear(KvSequence& sequence) {
  // From the end, so that of what is kept the beginning, which others can share, is handed out last.
  for (; !sequence.pages.empty(); sequence.pages.pop_back()) release(sequence.pages.back());
  sequence.length = 0;
}

int64_t KvPages::pages_needed(const KvSequence& sequence, int64_t begin, int64_t end) const {
  const auto held = static_cast<int64_t>(sequence.pages.size());
  int64_t needed = 0;
  for (int64_t i = begin / kPagePositions; i < kv_pages(end); ++i)
    needed += i >= held || owners_[static_cast<size_t>(sequence.pages[static_cast<size_t>(i)])] > 1;
  return needed;
}

std::optional<PageCopy> KvPages::claim(KvSequence& sequence, int64_t begin, int64_t end) {
  SPECTRA_CHECK(begin >= 0 && begin <= sequence.length && begin < end, "{} to {} of {}", begin, end, sequence.length);
  std::vector<int32_t>& pages = sequence.pages;
  const auto count = static_cast<size_t>(kv_pages(end));
  for (; pages.size() > count; pages.pop_back()) release(pages.back());
  std::optional<PageCopy> copy;
  for (auto i = static_cast<size_t>(begin / kPagePositions); i < count; ++i) {
    if (i == pages.size()) {
      pages.push_back(allocate());
    } else if (const int32_t shared = pages[i]; owners_[static_cast<size_t>(shared)] > 1) {
      pages[i] = allocate();
      const bool keeps = begin > static_cast<int64_t>(i) * kPagePositions;  // true of the first page at most
      if (keeps) copy = PageCopy{shared, pages[i]};
      release(shared);
    } else {
      kept_[static_cast<size_t>(pages[i])] = false;
    }
  }
  sequence.length = end;
  return copy;
}

}  // namespace spectra::infer
