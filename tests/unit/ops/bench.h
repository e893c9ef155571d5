// SPDX-License-Identifier: Apache-2.0
#pragma once
// Runs an op on a backend with host values, and says how far two results are apart.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <deque>
#include <vector>

#include "base/rng.h"
#include "ops/backend.h"

namespace spectra::ops {

using Values = std::vector<float>;

/// What a case runs on: a backend, and tensors made from host values.
class Bench {
 public:
  explicit Bench(Backend& backend_) : backend(backend_) {}
  Tensor activation(int64_t rows, int64_t cols, const Values& values) { return make(backend.activation(), rows, cols, values); }
  Tensor master(int64_t rows, int64_t cols, const Values& values) { return make(backend.master(), rows, cols, values); }
  Tensor scalar(double value) {
    Tensor x(buffer(8), DType::kF64, 1, 1);
    *x.as<double>() = value;
    return x;
  }
  Tensor counts() { return {buffer(16), DType::kI64, 1, 2}; }
  Values read(Tensor x) {
    Values values(static_cast<size_t>(x.size()));
    backend.synchronize();
    backend.copy_out(values.data(), x);
    return values;
  }
  Backend& backend;

 private:
  void* buffer(size_t bytes) {
    buffers_.push_back(backend.allocate(bytes));
    return buffers_.back().data();
  }
  Tensor make(DType dtype, int64_t rows, int64_t cols, const Values& values) {
    Tensor x(buffer(static_cast<size_t>(rows * cols) * dtype_size(dtype)), dtype, rows, cols);
    if (!values.empty()) backend.copy_in(x, values.data());
    return x;
  }
  std::deque<Buffer> buffers_;
};

/// Standard normal values that bf16 and fp16 hold exactly (but for those below 1e-5 in fp16), so that every backend starts from the
/// same numbers. Streams start at different places of one table: drawing a million numbers would take longer than the tests.
inline Values normal(int64_t count, uint64_t stream, double deviation = 1) {
  static const std::vector<double> table = [] {
    std::vector<double> drawn(30011);
    for (size_t i = 0; i < drawn.size(); ++i) drawn[i] = Rng(7).normal_at(i);
    return drawn;
  }();
  Values values(static_cast<size_t>(count));
  for (size_t i = 0; i < values.size(); ++i) {
    values[i] = to_float(to_bf16(static_cast<float>(deviation * table[(stream * 7919 + i) % table.size()])));
  }
  return values;
}

/// Norm of the difference over the norm of what is wanted.
inline double frobenius_error(const Values& got, const Values& want) {
  double difference = 0, size = 0;
  for (size_t i = 0; i < want.size(); ++i) {
    difference += std::pow(static_cast<double>(got[i]) - static_cast<double>(want[i]), 2);
    size += std::pow(static_cast<double>(want[i]), 2);
  }
  return std::sqrt(difference / std::max(size, 1e-300));
}

}  // namespace spectra::ops
