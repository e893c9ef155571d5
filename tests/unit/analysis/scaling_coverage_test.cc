// SPDX-License-Identifier: Apache-2.0
// How often the 95 % intervals of a scaling law hold the planted coefficients.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>

#include "analysis/fit/scaling_gaps.h"
#include "analysis/fit/scaling_law.h"
#include "analysis/paper.h"
#include "base/rng.h"

namespace spectra::analysis {
namespace {

struct Coverage {
  double a = 0, alpha = 0, offset = 0;  ///< per cent
};

bool holds(const Interval& interval, double value) { return interval.low <= value && value <= interval.high; }

enum class Method { kProfile, kBootstrap };
constexpr int kResamples = 200;  // the fewest that the command takes

/// The paper's law of TriLMs over its range of sizes, with normal errors of 0.005 nats.
Coverage simulate(size_t points, int simulations, Method method = Method::kProfile) {
  std::vector<double> n, loss(points);
  for (size_t i = 0; i < points; ++i)
    n.push_back(99.74e6 * std::pow(3.989e9 / 99.74e6, static_cast<double>(i) / static_cast<double>(points - 1)));
  Coverage coverage;
  const double share = 100.0 / simulations;
  for (int simulation = 0; simulation < simulations; ++simulation) {
    const Rng rng(7, static_cast<uint64_t>(simulation));
    for (size_t i = 0; i < points; ++i) loss[i] = kPaperTernary.at(n[i]) + 0.005 * rng.normal_at(i);
    ScalingFit fit = fit_scaling_law(n, loss, true);
    if (method == Method::kBootstrap) {
      const auto seed = static_cast<uint64_t>(simulation);
      const ScalingIntervals intervals = intervals_of(resampled_fits(fit, n, loss, true, kResamples, seed));
      fit.a_interval = intervals.a, fit.alpha_interval = intervals.alpha, fit.offset_interval = intervals.offset;
    }
    coverage.a += share * holds(fit.a_interval, kPaperTernary.a);
    coverage.alpha += share * holds(fit.alpha_interval, kPaperTernary.alpha);
    coverage.offset += share * holds(fit.offset_interval, kPaperTernary.offset);
  }
  fmt::print("{} points{}: A {:.2f} %, alpha {:.2f} %, offset {:.2f} % of {} simulations\n", points,
             method == Method::kBootstrap ? ", bootstrap" : "", coverage.a, coverage.alpha, coverage.offset, simulations);
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

TEST(ScalingCoverage, BootstrapIntervalsFromNinePoints) {
  const Coverage coverage = simulate(9, 500, Method::kBootstrap);
  for (const double percent : {coverage.a, coverage.alpha, coverage.offset}) {
    EXPECT_GE(percent, 91);
    EXPECT_LE(percent, 99);
  }
}

/// How often the interval of what the gap of two laws tends to holds it, at the paper's nine sizes.
TEST(ScalingCoverage, IntervalsOfTheLimitingGap) {
  ScalingFit ternary, floats;
  ternary.a = kPaperTernary.a, ternary.alpha = kPaperTernary.alpha, ternary.offset = kPaperTernary.offset;
  floats.a = kPaperFloat.a, floats.alpha = kPaperFloat.alpha, floats.offset = kPaperFloat.offset;
  const double limit = limiting_gap_percent(ternary, floats);
  std::vector<double> n;
  for (const PaperPoint& size : paper_sizes()) n.push_back(size.parameters);
  constexpr int kSimulations = 300;
  int held = 0;
  for (uint64_t simulation = 0; simulation < kSimulations; ++simulation) {
    const Rng rng(11, simulation);
    std::vector<std::vector<ScalingFit>> fits;
    for (const ScalingFit& law : {ternary, floats}) {
      std::vector<double> loss;
      for (const double size : n) loss.push_back(law.at(size) + 0.005 * rng.normal_at(loss.size() + n.size() * fits.size()));
      fits.push_back(resampled_fits(fit_scaling_law(n, loss, true), n, loss, true, kResamples, 2 * simulation + fits.size()));
    }
    held += holds(limiting_gap_interval(fits[0], fits[1]), limit);
  }
  const double percent = 100.0 * held / kSimulations;
  fmt::print("limiting gap: {:.2f} % of {} simulations\n", percent, kSimulations);
  EXPECT_GE(percent, 91);
  EXPECT_LE(percent, 99);
}

TEST(ScalingCoverage, IntervalsOfParametersAndTokens) {
  DataScalingFit law;
  law.offset = 1.69, law.a = 406.4, law.alpha = 0.34, law.b = 410.7, law.beta = 0.28;  // Hoffmann et al. 2022
  std::vector<double> n, tokens, loss(20);
  for (const double size : {1e7, 5e7, 2e8, 1e9, 5e9})
    for (const double count : {1e9, 1e10, 5e10, 3e11}) n.push_back(size), tokens.push_back(count);
  constexpr int kSimulations = 200;
  double held[5] = {};
  for (uint64_t simulation = 0; simulation < kSimulations; ++simulation) {
    for (size_t i = 0; i < n.size(); ++i) loss[i] = law.at(n[i], tokens[i]) + 0.005 * Rng(13, simulation).normal_at(i);
    const DataScalingFit fit = fit_data_scaling_law(n, tokens, loss);
    held[0] += holds(fit.a_interval, law.a), held[1] += holds(fit.alpha_interval, law.alpha);
    held[2] += holds(fit.b_interval, law.b), held[3] += holds(fit.beta_interval, law.beta);
    held[4] += holds(fit.offset_interval, law.offset);
  }
  for (double& percent : held) {
    percent *= 100.0 / kSimulations;
    EXPECT_GE(percent, 90);
    EXPECT_LE(percent, 99);
  }
  fmt::print("parameters and tokens: A {:.1f} %, alpha {:.1f} %, B {:.1f} %, beta {:.1f} %, offset {:.1f} % of {} simulations\n",
             held[0], held[1], held[2], held[3], held[4], kSimulations);
}

}  // namespace
}  // namespace spectra::analysis
