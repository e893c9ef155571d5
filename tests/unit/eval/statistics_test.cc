// SPDX-License-Identifier: Apache-2.0
#include "eval/statistics.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/rng.h"

namespace spectra::eval {
namespace {

TEST(Statistics, MeanAndItsError) {
  const std::vector<double> values = {1, 0, 0, 1, 1, 0, 1, 1};
  EXPECT_DOUBLE_EQ(mean(values), 0.625);
  EXPECT_DOUBLE_EQ(sample_stddev(values), std::sqrt(8 * 0.625 * 0.375 / 7));
  EXPECT_DOUBLE_EQ(mean_stderr(values), std::sqrt(0.625 * 0.375 / 7));
}

// The bootstrap's error of a mean is the closed form; 4000 resamples know it to 1.1 % (1/sqrt(2 n)), four times that is allowed.
// Its variance has n where the closed form has n - 1.
TEST(Statistics, BootstrapAgreesWithTheClosedForm) {
  std::vector<double> values;
  const Rng rng(3);
  for (size_t i = 0; i < 400; ++i) values.push_back(-3 + 0.5 * rng.normal_at(i));
  const double closed = mean_stderr(values) * std::sqrt(399.0 / 400);
  EXPECT_NEAR(bootstrap_stderr(values, 4000, [](double average) { return average; }) / closed, 1, 0.045);
  // Of a smooth function of the mean: the derivative times as much.
  EXPECT_NEAR(
      bootstrap_stderr(values, 4000, [](double average) { return std::exp(-average); }) / (closed * std::exp(-mean(values))), 1,
      0.06);
}

TEST(Statistics, PooledAsOneTask) {
  const Estimate all = pool({{0.5, 0.1, 10}, {0.25, 0.05, 30}});
  EXPECT_DOUBLE_EQ(all.value, (5 + 7.5) / 40);
  EXPECT_DOUBLE_EQ(*all.stderr_value, std::sqrt((9 * 0.01 * 10 + 29 * 0.0025 * 30) / 38 / 40));
  EXPECT_EQ(all.documents, 40);
  EXPECT_FALSE(pool({{0.5, 0.1, 10}, {1, std::nullopt, 1}}).stderr_value);
}

// Values of the binomial distribution, by hand: 2 of 10 is (1 + 10 + 45) / 1024.
TEST(Statistics, McNemar) {
  EXPECT_NEAR(mcnemar(2, 8).exact_p, 2 * 56 / 1024.0, 1e-12);
  EXPECT_NEAR(mcnemar(2, 8).mid_p, (2 * 56 - 45) / 1024.0, 1e-12);
  EXPECT_NEAR(mcnemar(5, 5).exact_p, 1, 1e-12);
  EXPECT_NEAR(mcnemar(5, 5).mid_p, 1, 1e-12) << "a tie";
  EXPECT_NEAR(mcnemar(0, 5).exact_p, 2 / 32.0, 1e-12);
  EXPECT_NEAR(mcnemar(0, 5).mid_p, 1 / 32.0, 1e-12);
  EXPECT_EQ(mcnemar(0, 0).mid_p, 1);
  EXPECT_GT(mcnemar(4900, 5100).mid_p, 0.04) << "no overflow: the normal approximation gives 0.0455";
  EXPECT_LT(mcnemar(4900, 5100).mid_p, 0.05);
  const McNemar counted = mcnemar({1, 0, 1, 1, 0}, {0, 0, 1, 0, 1});
  EXPECT_EQ(counted.only_a, 2);
  EXPECT_EQ(counted.only_b, 1);
}

TEST(Statistics, Holm) {
  const std::vector<double> adjusted = holm({0.01, 0.04, 0.03, 0.005});
  const double expected[] = {0.03, 0.06, 0.06, 0.02};
  for (size_t i = 0; i < 4; ++i) EXPECT_DOUBLE_EQ(adjusted[i], expected[i]) << i;
  EXPECT_EQ(holm({0.9, 0.8}), (std::vector<double>{1, 1}));
}

TEST(Statistics, PairedBootstrap) {
  std::vector<double> a, b;
  const Rng rng(9);
  for (size_t i = 0; i < 500; ++i) {
    a.push_back(rng.normal_at(2 * i));
    b.push_back(a.back() + 0.1 + 0.5 * rng.normal_at(2 * i + 1));
  }
  std::vector<double> differences;
  for (size_t i = 0; i < a.size(); ++i) differences.push_back(b[i] - a[i]);
  const PairedTest test = paired_bootstrap(a, b, 4000, 1);
  EXPECT_DOUBLE_EQ(test.difference, mean(differences));
  EXPECT_NEAR((*test.high - *test.low) / (2 * 1.96 * mean_stderr(differences)), 1, 0.06);
  const double z = mean(differences) / mean_stderr(differences);
  EXPECT_NEAR(*test.p, std::erfc(std::fabs(z) / std::sqrt(2)), 0.005);
  EXPECT_EQ(paired_bootstrap(a, a, 100, 1).p, 1);
  EXPECT_EQ(paired_bootstrap(a, b, 100, 5).p, paired_bootstrap(a, b, 100, 5).p) << "the same draws";
}

TEST(Statistics, FewPairsHaveNoTest) {
  for (const size_t n : {1, 2, 5}) {
    const PairedTest test = paired_bootstrap(std::vector<double>(n, 0), std::vector<double>(n, 1), 100, 1);
    EXPECT_EQ(test.difference, 1) << n;
    EXPECT_FALSE(test.p || test.low || test.high) << n;
  }
  const PairedTest ten = paired_bootstrap(std::vector<double>(10, 0), std::vector<double>(10, 1), 100, 1);
  EXPECT_DOUBLE_EQ(*ten.p, 1.0 / 101) << "100 resamples cannot say less";
}

}  // namespace
}  // namespace spectra::eval
