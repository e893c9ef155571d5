// SPDX-License-Identifier: Apache-2.0
#pragma once
// Memory for the keys and values of all sequences: pages in one region, whose size is fixed at the start. What lies where in a page
// is in infer/cpu/attention.h.
#include <cstddef>
#include <cstdint>

#include "infer/kv_pages.h"
#include "infer/kv_type.h"
#include "model/config.h"

namespace spectra::infer {

/// Bytes of one layer and kv head in a page. A multiple of 64.
int64_t kv_head_bytes(const model::Config& config, KvType type);
/// Bytes of a page: (layers, kv heads) of these.
int64_t kv_page_bytes(const model::Config& config, KvType type);

class KvMemory {
 public:
  /// `budget` in bytes; the system hands memory out as pages are first written. Throws Error (exit 5) where the budget is below one
  /// page, or beyond what can be mapped.
  KvMemory(const model::Config& config, KvType type, uint64_t budget);
  ~KvMemory();
  KvMemory(const KvMemory&) = delete;
  KvMemory& operator=(const KvMemory&) = delete;

  int64_t page_bytes() const { return page_bytes_; }
  int64_t pages() const { return pages_; }
  std::byte* page(int32_t id) { return memory_ + id * page_bytes_; }
  void copy_page(const PageCopy& copy);

 private:
  int64_t page_bytes_, pages_;
  std::byte* memory_ = nullptr;
};

}  // namespace spectra::infer
