// SPDX-License-Identifier: Apache-2.0
#include "quantize/grid.h"

#include <algorithm>
#include <cmath>

#include "base/half.h"

namespace spectra::quantize {
namespace {

/// Scales are kept in fp16.
float stored(double scale) { return std::max(round_to_fp16(static_cast<float>(scale)), 0x1p-24f); }

/// Candidates of the search: 100 % down to 21 % of the largest weight.
constexpr int kShrinkSteps = 80;
constexpr double kExponent = 2.4;  // of the error that the search minimizes

double error_of(const Grid& grid, const double* w, int64_t count, double scale) {
  double sum = 0;
  int64_t clipped = 0;
  for (int64_t i = 0; i < count; ++i) sum += std::pow(std::fabs(scale * code(grid, w[i], scale, clipped) - w[i]), kExponent);
  return sum;
}

}  // namespace

float Grid::scale(const double* w, int64_t count) const {
  double largest = 0, smallest = 0;
  for (int64_t i = 0; i < count; ++i) largest = std::max(largest, std::fabs(w[i])), smallest = std::min(smallest, w[i]);
  if (largest == 0) largest = 1;
  const double steps = static_cast<double>((1 << bits) - 1), span = halve_positive && smallest == 0 ? largest : 2 * largest;
  const float plain = stored(span / steps);
  if (!mse || !std::isfinite(plain)) return plain;
  float best = plain;
  double least = error_of(*this, w, count, static_cast<double>(plain));
  for (int i = 1; i < kShrinkSteps; ++i) {
    const float candidate = stored(span * (1 - i / 100.0) / steps);
    const double error = error_of(*this, w, count, static_cast<double>(candidate));
    if (error < least) least = error, best = candidate;
  }
  return best;
}

}  // namespace spectra::quantize
