// SPDX-License-Identifier: Apache-2.0
#pragma once
// Owner of all tensors of a Transformer. Without a backend it only counts, so that the preflight check and the
// allocation are the same code.
#include <cstdint>
#include <utility>
#include <vector>

#include "ops/backend.h"

namespace spectra::train {

class Memory {
 public:
  explicit Memory(ops::Backend* backend) : backend_(backend) {}
  /// A zeroed dense tensor that lives as long as this object; without a backend one with null data.
  ops::Tensor tensor(DType dtype, int64_t rows, int64_t cols) {
    ops::Tensor result(nullptr, dtype, rows, cols);
    bytes_ += result.bytes();
    if (backend_ == nullptr) return result;
    buffers_.push_back(backend_->allocate(result.bytes()));
    result.data = buffers_.back().data();
    return result;
  }
  uint64_t bytes() const { return bytes_; }

 private:
  ops::Backend* backend_;
  std::vector<ops::Buffer> buffers_;
  uint64_t bytes_ = 0;
};

/// The two types of a backend: what GEMMs read, and what must not be rounded.
struct Precision {
  DType activation, master;
};

}  // namespace spectra::train
