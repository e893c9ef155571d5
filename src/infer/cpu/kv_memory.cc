// SPDX-License-Identifier: Apache-2.0
#include "infer/cpu/kv_memory.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstring>
#include <limits>

#include "base/error.h"

namespace spectra::infer {

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

KvMemory::KvMemory(const model::Config& config, KvType type, uint64_t budget)
    : page_bytes_(kv_page_bytes(config, type)),
      pages_(static_cast<int64_t>(
          std::min<uint64_t>(budget / static_cast<uint64_t>(page_bytes_), std::numeric_limits<int32_t>::max()))) {
  if (pages_ == 0)
    throw Error(Exit::kRefused,
                fmt::format("{} bytes for keys and values are less than one page of {} positions, {} bytes", budget, kPagePositions,
                            page_bytes_),
                fmt::format("a sequence of the whole context, {} positions, needs {} bytes", config.max_position,
                            kv_pages(config.max_position) * page_bytes_));
  const auto bytes = static_cast<size_t>(pages_ * page_bytes_);
  void* memory = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED)
    throw Error(Exit::kRefused, fmt::format("cannot reserve {} bytes for keys and values", bytes), "give them less memory");
  ::madvise(memory, bytes, MADV_HUGEPAGE);  // pages of 4 KiB halve the bandwidth; where there are no others it works all the same
  memory_ = static_cast<std::byte*>(memory);
}

KvMemory::~KvMemory() { ::munmap(memory_, static_cast<size_t>(pages_ * page_bytes_)); }

void KvMemory::copy_page(const PageCopy& copy) { std::memcpy(page(copy.to), page(copy.from), static_cast<size_t>(page_bytes_)); }

}  // namespace spectra::infer
