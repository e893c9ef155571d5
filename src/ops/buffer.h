// SPDX-License-Identifier: Apache-2.0
#pragma once
// Memory and views that ops work on.
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <utility>

#include "base/dtype.h"
#include "base/error.h"
#include "base/half.h"

namespace spectra::ops {

template <class T>
struct DTypeOf;
template <>
struct DTypeOf<double> {
  static constexpr DType value = DType::kF64;
};
template <>
struct DTypeOf<float> {
  static constexpr DType value = DType::kF32;
};
template <>
struct DTypeOf<bf16> {
  static constexpr DType value = DType::kBf16;
};
template <>
struct DTypeOf<fp16> {
  static constexpr DType value = DType::kF16;
};
template <>
struct DTypeOf<int32_t> {
  static constexpr DType value = DType::kI32;
};
template <>
struct DTypeOf<int64_t> {
  static constexpr DType value = DType::kI64;
};

/// A piece of a device's memory with an owner. Only the device's ops may look inside.
class Buffer {
 public:
  using Deleter = std::function<void(void*)>;

  Buffer() = default;
  /// `deleter` gives `data` back to whom it came from.
  Buffer(void* data, size_t size, Deleter deleter) : data_(data, std::move(deleter)), size_(size) {}
  Buffer(Buffer&& other) noexcept : data_(std::move(other.data_)), size_(std::exchange(other.size_, 0)) {}
  Buffer& operator=(Buffer&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
  }
  void* data() const { return data_.get(); }
  size_t size() const { return size_; }

 private:
  std::unique_ptr<void, Deleter> data_;
  size_t size_ = 0;
};

/// A row-major matrix somewhere in device memory; does not own. `stride`: elements between rows, >= cols.
struct Tensor {
  void* data = nullptr;
  DType dtype = DType::kF32;
  int64_t rows = 0, cols = 0, stride = 0;

  Tensor() = default;
  Tensor(void* data_, DType dtype_, int64_t rows_, int64_t cols_, int64_t stride_ = 0)
      : data(data_), dtype(dtype_), rows(rows_), cols(cols_), stride(stride_ == 0 ? cols_ : stride_) {}

  template <class T>
  T* as() const {
    SPECTRA_CHECK(dtype == DTypeOf<T>::value, "{} wanted, {} found", dtype_name(DTypeOf<T>::value), dtype_name(dtype));
    return static_cast<T*>(data);
  }
  bool dense() const { return stride == cols || rows == 1; }
  int64_t size() const { return rows * cols; }
  size_t bytes() const { return static_cast<size_t>(rows * cols) * dtype_size(dtype); }
  /// Rows [begin, begin + count).
  Tensor row_range(int64_t begin, int64_t count) const {
    return {static_cast<char*>(data) + static_cast<size_t>(begin * stride) * dtype_size(dtype), dtype, count, cols, stride};
  }
  /// Columns [begin, begin + count), same rows.
  Tensor col_range(int64_t begin, int64_t count) const {
    return {static_cast<char*>(data) + static_cast<size_t>(begin) * dtype_size(dtype), dtype, rows, count, stride};
  }
};

}  // namespace spectra::ops
