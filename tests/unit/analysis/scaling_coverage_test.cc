// SPDX-License-Identifier: Apache-2.0
// How often the 95 % intervals of a scaling law hold the planted coefficients.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>

#include "analysis/paper.h"
#include "analysis/scaling_law.h"
#include "base/rng.h"

namespace spectra::analysis {
namespace {

struct Coverage {
  double a = 0, alpha = 0, offset = 0;  ///< per cent
};

bool holds(const Interval& interval, double value) { return interval.low <= value && value <= interval.high; }

/// The paper's law of TriLMs over its range of sizes, with normal errors of 0.005 nats.
Coverage simulate(size_t points, int simulations) {
  std::vector<double> n, loss(points);
  for (size_t i = 0; i < points; ++i)
    n.push_back(99.74e6 * std::pow(3.989e9 / 99.74e6, static_cast<double>(i) / static_cast<double>(points - 1)));
  Coverage coverage;
  const double share = 100.0 / simulations;
  for (int simulation = 0; simulation < simulations; ++simulation) {
    const Rng rng(7, static_cast<uint64_t>(simulation));
    for (size_t i = 0; i < points; ++i) loss[i] = kPaperTernary.at(n[i]) + 0.005 * rng.normal_at(i);
    const ScalingFit fit = fit_scaling_law(n, loss, true);
    coverage.a += share * holds(fit.a_interval, kPaperTernary.a);
    coverage.alpha += share * holds(fit.alpha_interval, kPaperTernary.alpha);
    coverage.offset += share * holds(fit.offset_interval, kPaperTernary.offset);
  }
  fmt::print("{} points: A {:.2f} %, alpha {:.2f} %, offset {:.2f} % of {} simulations\n", points, coverage.a, coverage.alpha,
             coverage.offset, simulations);
  return coverage;
}

TEST(ScalingCoverage, IntervalsFromTwentyPointsHoldThePlantedCoefficients) {
  const Coverage coverage = simulate(20, 2000);
  for (const double percent : {coverage.a, coverage.alpha, coverage.offset}) {
    EXPECT_GE(percent, 92);
    EXPECT_LE(percent, 98);
  }
}

TEST(ScalingCoverage, IntervalsFromNinePoints) {
  const Coverage coverage = simulate(9, 2000);
  for (const double percent : {coverage.a, coverage.alpha, coverage.offset}) {
    EXPECT_GE(percent, 90);
    EXPECT_LE(percent, 99);
  }
}

}  // namespace
}  // namespace spectra::analysis
