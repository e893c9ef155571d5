// SPDX-License-Identifier: Apache-2.0
#include "eval/statistics.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/parallel.h"
#include "eval/python_random.h"

namespace spectra::eval {

double sum(const std::vector<double>& values) {
  double total = 0;
  for (const double value : values) total += value;
  return total;
}

double mean(const std::vector<double>& values) { return sum(values) / static_cast<double>(values.size()); }

double sample_stddev(const std::vector<double>& values) {
  SPECTRA_CHECK(values.size() > 1);
  const double average = mean(values);
  double squares = 0;
  for (const double value : values) squares += (value - average) * (value - average);
  return std::sqrt(squares / static_cast<double>(values.size() - 1));
}

double mean_stderr(const std::vector<double>& values) {
  return sample_stddev(values) / std::sqrt(static_cast<double>(values.size()));
}

double bootstrap_stderr(const std::vector<double>& values, int64_t resamples, const std::function<double(double)>& statistic) {
  SPECTRA_CHECK(values.size() > 1 && resamples > 1);
  const int64_t chunk = std::min<int64_t>(1000, resamples), chunks = resamples / chunk;
  std::vector<double> results(static_cast<size_t>(chunks * chunk));
  parallel_for(static_cast<size_t>(chunks), [&](size_t c) {
    PythonRandom random(static_cast<uint32_t>(c));
    for (size_t i = 0; i < static_cast<size_t>(chunk); ++i) {
      double total = 0;
      for (size_t n = 0; n < values.size(); ++n) total += values[random.choice(values.size())];
      results[c * static_cast<size_t>(chunk) + i] = statistic(total / static_cast<double>(values.size()));
    }
  });
  return sample_stddev(results);
}

Estimate pool(const std::vector<Estimate>& parts) {
  Estimate all;
  double weighted = 0, variance = 0;
  bool known = true;
  for (const Estimate& part : parts) {
    const auto n = static_cast<double>(part.documents);
    all.documents += part.documents;
    weighted += part.value * n;
    known = known && part.stderr_value.has_value();
    if (known) variance += (n - 1) * *part.stderr_value * *part.stderr_value * n;
  }
  const auto n = static_cast<double>(all.documents);
  all.value = weighted / n;
  if (known) all.stderr_value = std::sqrt(variance / (n - static_cast<double>(parts.size())) / n);
  return all;
}

}  // namespace spectra::eval
