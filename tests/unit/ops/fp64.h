// SPDX-License-Identifier: Apache-2.0
#pragma once
// Tensors in fp64 and central finite differences, for tests of gradients.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include "base/rng.h"
#include "ops/reference/reference_backend.h"

namespace spectra::test {

struct Fp64 {
  ops::ReferenceBackend<double> backend;
  std::vector<ops::Buffer> buffers;
  uint64_t streams = 0;

  ops::Tensor zeros(int64_t rows, int64_t cols) {
    buffers.push_back(backend.allocate(static_cast<size_t>(rows * cols) * sizeof(double)));
    return {buffers.back().data(), DType::kF64, rows, cols};
  }
  /// Standard normal numbers, different for every tensor.
  ops::Tensor random(int64_t rows, int64_t cols) {
    const ops::Tensor result = zeros(rows, cols);
    const Rng rng(7, streams++);
    for (int64_t i = 0; i < result.size(); ++i) result.as<double>()[i] = rng.normal_at(static_cast<uint64_t>(i));
    return result;
  }
  ops::Tensor copy(ops::Tensor from) {
    const ops::Tensor result = zeros(from.rows, from.cols);
    backend.add(result, from);
    return result;
  }
};

/// theta^(-2i/E), as models have it.
inline ops::Rotation rotation(double theta, int64_t dim) {
  ops::Rotation result;
  for (int64_t i = 0; i < dim / 2; ++i)
    result.frequencies.push_back(std::pow(theta, -2.0 * static_cast<double>(i) / static_cast<double>(dim)));
  return result;
}

inline double dot(ops::Tensor a, ops::Tensor b) {
  double sum = 0;
  for (int64_t i = 0; i < a.size(); ++i) sum += a.as<double>()[i] * b.as<double>()[i];
  return sum;
}

/// Every element of `gradient` against (loss(x + h) - loss(x - h)) / 2h, error relative to the largest element.
inline void expect_gradient(const std::string& what, ops::Tensor x, ops::Tensor gradient, const std::function<double()>& loss) {
  constexpr double kStep = 1e-5;  // truncation h² and rounding 1e-16 / h are both near 1e-10
  double largest = 0, error = 0;
  for (int64_t i = 0; i < x.size(); ++i) {
    double& value = x.as<double>()[i];
    const double kept = value;
    value = kept + kStep;
    const double above = loss();
    value = kept - kStep;
    const double below = loss();
    value = kept;
    const double expected = (above - below) / (2 * kStep);
    largest = std::max(largest, std::fabs(expected));
    error = std::max(error, std::fabs(expected - gradient.as<double>()[i]));
  }
  EXPECT_GT(largest, 0) << what << ": the loss does not depend on it";
  EXPECT_LE(error, 1e-6 * largest) << what;
}

}  // namespace spectra::test
