// SPDX-License-Identifier: Apache-2.0
#pragma once
// Means, their standard errors, and tests of paired differences. Sums run in order, as Python's do.
#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

namespace spectra::eval {

double sum(const std::vector<double>& values);
double mean(const std::vector<double>& values);
/// Sample standard deviation (n - 1); needs two values.
double sample_stddev(const std::vector<double>& values);
/// sample_stddev / sqrt(n)
double mean_stderr(const std::vector<double>& values);

/// Standard deviation of statistic(mean of a resample) over `resamples` resamples with replacement, drawn as the harness does:
/// chunks of 1000, chunk i with Python's random.Random(i). Needs two values and two resamples.
double bootstrap_stderr(const std::vector<double>& values, int64_t resamples, const std::function<double(double)>& statistic);

struct Estimate {
  double value = 0;
  std::optional<double> stderr_value;
  int64_t documents = 0;
};
/// The mean weighted by documents, and sqrt([Σ (n_i - 1) se_i² n_i / (Σ n_i - k)] / Σ n_i); none where a part has none.
Estimate pool(const std::vector<Estimate>& parts);

/// Two systems on the same items. Fewer than kFewestPairs say too little of how differences spread: a bootstrap of them calls equal
/// systems different far more often than it says, so there is only the difference.
constexpr size_t kFewestPairs = 10;
struct PairedTest {
  double difference = 0;            ///< mean of b - a
  std::optional<double> low, high;  ///< 95 % interval of it, percentiles of the bootstrap
  std::optional<double> p;          ///< two-sided, at least 1 / (resamples + 1)
};
/// Bootstrap of the mean difference (Efron and Tibshirani 1993, chapter 16): items are drawn in pairs with replacement. p: share of
/// resamples, themselves and the observed one, whose mean, moved so that the expected difference is 0, lies at least as far from 0
/// as the observed one; a mean that lies just as far counts half, since differences of 0 and 1 give few distinct means. `seed`: of
/// the draws.
PairedTest paired_bootstrap(const std::vector<double>& a, const std::vector<double>& b, int64_t resamples, uint64_t seed);

/// McNemar's test of right and wrong answers: `only_a` items that only the first system got right, `only_b` only the second.
struct McNemar {
  int64_t only_a = 0, only_b = 0;
  double exact_p = 1;  ///< binomial, two-sided: never wrong more often than it says
  double mid_p = 1;    ///< half of the observed outcome's probability left out (Fagerland et al. 2013): nearer to what it says
};
/// `a`, `b`: 1 where right, else 0.
McNemar mcnemar(const std::vector<double>& a, const std::vector<double>& b);
McNemar mcnemar(int64_t only_a, int64_t only_b);

/// p-values of several tests such that the chance of any false one stays below its value (Holm 1979), in the order given.
std::vector<double> holm(const std::vector<double>& p);

}  // namespace spectra::eval
