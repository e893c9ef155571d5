// SPDX-License-Identifier: Apache-2.0
#include "analysis/weights/entropy.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace spectra::analysis {

void Moments::add(std::span<const float> values) {
  for (const float value : values) {
    const double x = value, square = x * x;
    zeros += value == 0;
    sum += x, squares += square, cubes += square * x, fourths += square * square;
    low = std::min(low, x), high = std::max(high, x);
  }
  count += static_cast<int64_t>(values.size());
}

void Moments::merge(const Moments& other) {
  count += other.count, zeros += other.zeros;
  sum += other.sum, squares += other.squares, cubes += other.cubes, fourths += other.fourths;
  low = std::min(low, other.low), high = std::max(high, other.high);
}

GaussianFit fit_gaussian(const Moments& moments) {
  const double n = static_cast<double>(moments.count), mean = moments.sum / n, square = moments.squares / n;
  const double variance = std::max(0.0, square - mean * mean);
  const double fourth =
      moments.fourths / n - 4 * mean * moments.cubes / n + 6 * mean * mean * square - 3 * mean * mean * mean * mean;
  return {mean, std::sqrt(variance), variance > 0 ? fourth / (variance * variance) - 3 : 0};
}

double differential_entropy(double sigma) { return 0.5 * std::log2(2 * M_PI * M_E * sigma * sigma); }

double shannon_entropy(const std::vector<int64_t>& counts) {
  const double total = static_cast<double>(std::accumulate(counts.begin(), counts.end(), int64_t{0}));
  double entropy = 0;
  for (const int64_t count : counts)
    if (count > 0) entropy -= static_cast<double>(count) / total * std::log2(static_cast<double>(count) / total);
  return entropy;
}

}  // namespace spectra::analysis
