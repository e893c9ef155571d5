// SPDX-License-Identifier: Apache-2.0
#include "quantize/activation_store.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>

#include "base/error.h"
#include "base/units.h"
#include "ops/host_memory.h"

namespace spectra::quantize {
namespace {

constexpr size_t kPage = 4096;

void* map_spilled(const fs::path& directory, size_t bytes) {
  std::string name = (directory / "activations-XXXXXX").string();
  const int file = mkstemp(name.data());
  if (file < 0) throw io_error("cannot create", name);
  unlink(name.c_str());
  if (const int failed = posix_fallocate(file, 0, static_cast<off_t>(bytes)); failed != 0) {  // so that no page is missing later
    close(file);
    throw Error(Exit::kRefused, fmt::format("no room for {} of activations under {}", format_bytes(bytes), directory.string()),
                "use fewer --samples, or put --out on a larger disk");
  }
  void* mapped = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  close(file);
  if (mapped == MAP_FAILED) throw io_error("cannot map", name);
  return mapped;
}

}  // namespace

ActivationStore::ActivationStore(int64_t rows, int64_t cols, DType dtype, const fs::path& spill) {
  bytes_ = static_cast<size_t>(rows * cols) * dtype_size(dtype);
  if (spill.empty()) {
    memory_ = ops::host_memory(bytes_);
    all_ = {memory_.data(), dtype, rows, cols};
  } else {
    mapped_ = map_spilled(spill, bytes_);
    all_ = {mapped_, dtype, rows, cols};
  }
}

ActivationStore::~ActivationStore() {
  if (mapped_ != nullptr) munmap(mapped_, bytes_);
}

ops::Tensor ActivationStore::rows(int64_t begin, int64_t count, int64_t cols) const {
  SPECTRA_CHECK(cols <= all_.cols, "{} of {} columns", cols, all_.cols);
  const ops::Tensor wide = all_.row_range(begin, count);
  return {wide.data, wide.dtype, count, cols};
}

void ActivationStore::release(const ops::Tensor& rows) const {
  if (mapped_ == nullptr) return;
  const auto begin = (reinterpret_cast<uintptr_t>(rows.data) + kPage - 1) / kPage * kPage;
  const auto end = (reinterpret_cast<uintptr_t>(rows.data) + rows.bytes()) / kPage * kPage;
  if (begin < end) madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);  // a shared file's pages are not lost
}

}  // namespace spectra::quantize
