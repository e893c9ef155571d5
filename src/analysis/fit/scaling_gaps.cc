// SPDX-License-Identifier: Apache-2.0
#include "analysis/fit/scaling_gaps.h"

#include <algorithm>
#include <cmath>

namespace spectra::analysis {
namespace {

/// Over the pairs fits[i], bases[i]; a value that is not a number is one that is never reached.
template <typename Value>
Interval interval_over(const std::vector<ScalingFit>& fits, const std::vector<ScalingFit>& bases, const Value& value) {
  std::vector<double> values;
  for (size_t i = 0; i < std::min(fits.size(), bases.size()); ++i) {
    const double one = value(fits[i], bases[i]);
    values.push_back(std::isnan(one) ? INFINITY : one);
  }
  return values.empty() ? Interval{} : middle_95(values);
}

}  // namespace

double gap_percent(const ScalingFit& fit, const ScalingFit& base, double n) { return 100 * (fit.at(n) / base.at(n) - 1); }

double limiting_gap_percent(const ScalingFit& fit, const ScalingFit& base) {
  if (base.offset > 0) return 100 * (fit.offset / base.offset - 1);
  if (fit.offset > 0 || fit.alpha < base.alpha) return INFINITY;
  return fit.alpha > base.alpha ? -100 : 100 * (fit.a / base.a - 1);
}

double size_at_gap(const ScalingFit& fit, const ScalingFit& base, double percent) {
  const auto above = [&](double log_n) { return gap_percent(fit, base, std::exp(log_n)) > percent; };
  constexpr double kStep = 0.05;
  const double end = std::log(1e30);
  if (above(end)) return std::numeric_limits<double>::quiet_NaN();
  double low = end;
  while (low > 0 && !above(low)) low -= kStep;
  if (low <= 0) return 1;
  double high = low + kStep;
  for (int i = 0; i < 80; ++i) {
    const double middle = (low + high) / 2;
    (above(middle) ? low : high) = middle;
  }
  return std::exp(high);
}

Interval size_at_gap_interval(const std::vector<ScalingFit>& fits, const std::vector<ScalingFit>& bases, double percent) {
  return interval_over(fits, bases, [&](const ScalingFit& fit, const ScalingFit& base) { return size_at_gap(fit, base, percent); });
}

Interval limiting_gap_interval(const std::vector<ScalingFit>& fits, const std::vector<ScalingFit>& bases) {
  return interval_over(fits, bases, limiting_gap_percent);
}

}  // namespace spectra::analysis
