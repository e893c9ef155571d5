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

}  // namespace spectra::eval
