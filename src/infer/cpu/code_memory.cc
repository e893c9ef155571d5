// SPDX-License-Identifier: Apache-2.0
#include "infer/cpu/code_memory.h"

#include <sys/mman.h>

#include <cstdlib>

#include "base/error.h"

namespace spectra::infer {

std::shared_ptr<uint8_t> allocate_codes(int64_t bytes, const std::string& what, const std::string& hint) {
  constexpr int64_t kLargePage = int64_t{2} << 20;
  const auto size = static_cast<size_t>((bytes + kLargePage - 1) / kLargePage * kLargePage);
  void* memory = std::aligned_alloc(static_cast<size_t>(kLargePage), size);
  if (memory == nullptr) throw Error(Exit::kRefused, fmt::format("cannot reserve {} bytes for {}", size, what), hint);
  ::madvise(memory, size, MADV_HUGEPAGE);
  return {static_cast<uint8_t*>(memory), [](uint8_t* p) { std::free(p); }};
}

}  // namespace spectra::infer
