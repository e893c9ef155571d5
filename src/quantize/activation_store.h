// SPDX-License-Identifier: Apache-2.0
#pragma once
// The activations of all calibration tokens, kept from one layer to the next: in memory, or in a file where they do not fit.
#include "base/file.h"
#include "ops/buffer.h"

namespace spectra::quantize {

class ActivationStore {
 public:
  /// Room for (rows, cols) of `dtype`. `spill`: a directory whose disk takes them, in a file without a name, gone with the process;
  /// empty = memory. Throws Error (exit 5) where there is no room.
  ActivationStore(int64_t rows, int64_t cols, DType dtype, const fs::path& spill);
  ~ActivationStore();
  ActivationStore(const ActivationStore&) = delete;
  ActivationStore& operator=(const ActivationStore&) = delete;

  ops::Tensor rows(int64_t begin, int64_t count) const { return all_.row_range(begin, count); }
  /// The same rows made (rows, cols) narrower: the store then serves tensors of several widths, one at a time.
  ops::Tensor rows(int64_t begin, int64_t count, int64_t cols) const;
  /// Done with these rows for now: a file's pages may leave memory.
  void release(const ops::Tensor& rows) const;

 private:
  ops::Buffer memory_;
  void* mapped_ = nullptr;
  size_t bytes_ = 0;
  ops::Tensor all_;
};

}  // namespace spectra::quantize
