// SPDX-License-Identifier: Apache-2.0
#include "quantize/moments.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "base/rng.h"

namespace spectra::quantize {
namespace {

std::vector<float> random_values(int64_t count, uint64_t seed) {
  const Rng random(seed);
  std::vector<float> values;
  for (int64_t i = 0; i < count; ++i) values.push_back(static_cast<float>(random.normal_at(static_cast<uint64_t>(i))));
  return values;
}

TEST(MomentSums, AreTheSumsOfProducts) {
  const auto backend = ops::make_backend("cpu", "fp32");
  for (const int64_t size : {24, 513, 700}) {  // one panel; several, the last one short
    MomentSums sums(*backend, size, true);
    std::vector<double> plain(static_cast<size_t>(size * size)), mixed(plain.size());
    for (const int64_t rows : {20, 7}) {
      std::vector<float> x = random_values(rows * size, static_cast<uint64_t>(rows)), full = random_values(rows * size, 99);
      sums.add({x.data(), DType::kF32, rows, size}, {full.data(), DType::kF32, rows, size});
      for (int64_t n = 0; n < rows; ++n)
        for (int64_t i = 0; i < size; ++i)
          for (int64_t j = 0; j < size; ++j) {
            const double right = static_cast<double>(x[static_cast<size_t>(n * size + j)]);
            plain[static_cast<size_t>(i * size + j)] += static_cast<double>(x[static_cast<size_t>(n * size + i)]) * right;
            mixed[static_cast<size_t>(i * size + j)] += static_cast<double>(full[static_cast<size_t>(n * size + i)]) * right;
          }
    }
    const Moments moments = sums.moments();
    double largest = 0;
    for (size_t i = 0; i < plain.size(); ++i) {
      largest = std::max(largest, std::fabs(static_cast<double>(moments.inputs[i]) - plain[i]));
      largest = std::max(largest, std::fabs(static_cast<double>(moments.mixed[i]) - mixed[i]));
    }
    EXPECT_LT(largest, 1e-4) << size;
  }
}

}  // namespace
}  // namespace spectra::quantize
