// SPDX-License-Identifier: Apache-2.0
#pragma once
// Weights as a normal distribution, and their entropy in bits (paper, section 2.2 and appendix E).
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

namespace spectra::analysis {

/// Sums over values, from which their distribution's shape follows. Values near 0, as weights are.
struct Moments {
  int64_t count = 0, zeros = 0;
  double sum = 0, squares = 0, cubes = 0, fourths = 0;
  double low = std::numeric_limits<double>::infinity(), high = -std::numeric_limits<double>::infinity();
  void add(std::span<const float> values);
  void merge(const Moments& other);
  double zero_fraction() const { return static_cast<double>(zeros) / static_cast<double>(count); }
};

struct GaussianFit {
  double mean = 0, sigma = 0;
  double excess_kurtosis = 0;  ///< 0 for a normal distribution, positive with heavier tails
};
/// Entropy in bits of the most likely normal distribution.
GaussianFit fit_gaussian(const Moments& moments);

/// ½ log2(2πe sigma²): bits; negative for a narrow distribution.
double differential_entropy(double sigma);
/// −Σ p log2 p over the bins of a histogram: bits.
double shannon_entropy(const std::vector<int64_t>& counts);

}  // namespace spectra::analysis
