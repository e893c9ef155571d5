// SPDX-License-Identifier: Apache-2.0
#include "ops/buffer.h"

#include <sys/mman.h>

#include <cstdlib>
#include <cstring>
#include <utility>

#include "base/units.h"

namespace spectra::ops {

namespace {

constexpr size_t kAlignment = 64;         // a cache line, and a vector of AVX-512
constexpr size_t kHugePage = 2u << 20;    // x86-64 and most arm64
constexpr size_t kLarge = 2 * kHugePage;  // below, rounding up to whole huge pages would waste more than it gains

size_t round_up(size_t bytes, size_t unit) { return (bytes + unit - 1) / unit * unit; }

/// `bytes` (a multiple of kHugePage) of zero pages that start on a huge page; nullptr when the system refuses.
void* map_huge(size_t bytes) {
  const size_t reserved = bytes + kHugePage;
  void* memory = mmap(nullptr, reserved, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return nullptr;
  char* begin = static_cast<char*>(memory);
  const size_t before = round_up(reinterpret_cast<uintptr_t>(begin), kHugePage) - reinterpret_cast<uintptr_t>(begin);
  if (before != 0) munmap(begin, before);
  if (before != kHugePage) munmap(begin + before + bytes, kHugePage - before);
  madvise(begin + before, bytes, MADV_HUGEPAGE);  // only advice: without it the memory is merely slower
  return begin + before;
}

}  // namespace

Buffer::Buffer(size_t bytes) : size_(bytes) {
  if (bytes == 0) return;
  if (bytes >= kLarge) {
    mapped_ = round_up(bytes, kHugePage);
    data_ = map_huge(mapped_);
  } else {
    data_ = std::aligned_alloc(kAlignment, round_up(bytes, kAlignment));
    if (data_ != nullptr) std::memset(data_, 0, bytes);
  }
  if (data_ == nullptr) {
    throw Error(Exit::kRefused, fmt::format("the system refused {} of memory", format_bytes(bytes)),
                "use a smaller model, batch or sequence, or a machine with more memory");
  }
}

Buffer::~Buffer() {
  if (mapped_ != 0) {
    munmap(data_, mapped_);
  } else {
    std::free(data_);
  }
}

Buffer::Buffer(Buffer&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)), mapped_(std::exchange(other.mapped_, 0)) {}

Buffer& Buffer::operator=(Buffer&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  std::swap(mapped_, other.mapped_);
  return *this;
}

}  // namespace spectra::ops
