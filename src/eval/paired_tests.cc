// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/error.h"
#include "base/rng.h"
#include "eval/statistics.h"

namespace spectra::eval {
namespace {

/// Of ascending values.
double percentile(const std::vector<double>& values, double fraction) {
  const double at = fraction * static_cast<double>(values.size() - 1);
  const auto below = static_cast<size_t>(at);
  const size_t above = std::min(below + 1, values.size() - 1);
  return values[below] + (at - static_cast<double>(below)) * (values[above] - values[below]);
}

/// ln of the probability of k heads in n throws of a fair coin.
double log_binomial(int64_t n, int64_t k) {
  const auto gamma = [](int64_t x) { return std::lgamma(static_cast<double>(x) + 1); };
  return gamma(n) - gamma(k) - gamma(n - k) - static_cast<double>(n) * std::log(2.0);
}

}  // namespace

PairedTest paired_bootstrap(const std::vector<double>& a, const std::vector<double>& b, int64_t resamples, uint64_t seed) {
  SPECTRA_CHECK(a.size() == b.size() && !a.empty() && resamples > 1, "{} {} {}", a.size(), b.size(), resamples);
  std::vector<double> differences;
  for (size_t i = 0; i < a.size(); ++i) differences.push_back(b[i] - a[i]);
  const auto count = static_cast<double>(differences.size());
  PairedTest test;
  test.difference = mean(differences);
  if (differences.size() < kFewestPairs) return test;
  Rng rng(seed);
  std::vector<double> means;
  double beyond = 0;
  // Sums of the same values in another order are the same outcome.
  const double same = 1e-9 * (std::fabs(test.difference) + 1e-300);
  for (int64_t r = 0; r < resamples; ++r) {
    double total = 0;
    for (size_t i = 0; i < differences.size(); ++i) total += differences[rng.below(differences.size())];
    means.push_back(total / count);
    const double excess = std::fabs(means.back() - test.difference) - std::fabs(test.difference);
    beyond += excess > same ? 1 : excess >= -same ? 0.5 : 0;
  }
  std::sort(means.begin(), means.end());
  test.low = percentile(means, 0.025);
  test.high = percentile(means, 0.975);
  test.p = test.difference == 0 ? 1 : std::min(1.0, (beyond + 1) / static_cast<double>(resamples + 1));
  return test;
}

McNemar mcnemar(const std::vector<double>& a, const std::vector<double>& b) {
  SPECTRA_CHECK(a.size() == b.size());
  int64_t only_a = 0, only_b = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    only_a += a[i] > b[i];
    only_b += b[i] > a[i];
  }
  return mcnemar(only_a, only_b);
}

McNemar mcnemar(int64_t only_a, int64_t only_b) {
  McNemar test{only_a, only_b, 1, 1};
  const int64_t n = only_a + only_b, fewer = std::min(only_a, only_b);
  if (n == 0) return test;
  double tail = 0;
  for (int64_t k = 0; k <= fewer; ++k) tail += std::exp(log_binomial(n, k));
  test.exact_p = std::min(1.0, 2 * tail);
  test.mid_p = std::min(1.0, 2 * tail - std::exp(log_binomial(n, fewer)));
  return test;
}

std::vector<double> holm(const std::vector<double>& p) {
  std::vector<size_t> order(p.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t x, size_t y) { return p[x] < p[y]; });
  std::vector<double> adjusted(p.size());
  double largest = 0;
  for (size_t rank = 0; rank < order.size(); ++rank) {
    largest = std::max(largest, std::min(1.0, p[order[rank]] * static_cast<double>(order.size() - rank)));
    adjusted[order[rank]] = largest;
  }
  return adjusted;
}

}  // namespace spectra::eval
