// SPDX-License-Identifier: Apache-2.0
#include "ops/host_memory.h"

#include <sys/mman.h>

#include <cstdlib>
#include <cstring>

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

Buffer host_memory(size_t bytes) {
  if (bytes == 0) return {};
  const bool large = bytes >= kLarge;
  const size_t mapped = round_up(bytes, kHugePage);
  void* data = large ? map_huge(mapped) : std::aligned_alloc(kAlignment, round_up(bytes, kAlignment));
  if (data == nullptr) {
    throw Error(Exit::kRefused, fmt::format("the system refused {} of memory", format_bytes(bytes)),
                "use a smaller model, batch or sequence, or a machine with more memory");
  }
  if (large) return {data, bytes, [mapped](void* memory) { munmap(memory, mapped); }};
  std::memset(data, 0, bytes);
  return {data, bytes, [](void* memory) { std::free(memory); }};
}

}  // namespace spectra::ops
