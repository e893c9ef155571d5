// SPDX-License-Identifier: Apache-2.0
#include "analysis/fit/scaling_law.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "analysis/fit/student_t.h"
#include "base/error.h"
#include "base/rng.h"

namespace spectra::analysis {
namespace {

// Parameters of the fit: log a, alpha, offset. The pure power law leaves out the last.
enum : size_t { kLogA, kAlpha, kOffset };

constexpr double kNormalBound = 1.959964;  // |z| of a normal distribution stays below with chance 0.95
constexpr double kMostCorrelation = 0.98;  // between log N and log D, above which a law of both cannot be fitted

void check_values(const std::vector<double>& values, size_t count, size_t different, const char* what) {
  if (values.size() != count)
    throw bad_input(fmt::format("{} {} for {} losses", values.size(), what, count), "give one for each loss");
  for (const double value : values)
    if (!std::isfinite(value) || value <= 0)
      throw bad_input(fmt::format("{} among the {} of a scaling law", value, what), "they are positive numbers");
  if (const size_t seen = std::set<double>(values.begin(), values.end()).size(); seen < different)
    throw bad_input(fmt::format("a scaling law needs at least {} different {}; there are {}", different, what, seen),
                    "add models, or fit the pure power law, which has a coefficient less");
}

/// log of each value
std::vector<double> logarithms(const std::vector<double>& values) {
  std::vector<double> out(values.size());
  std::transform(values.begin(), values.end(), out.begin(), [](double value) { return std::log(value); });
  return out;
}

double correlation(const std::vector<double>& x, const std::vector<double>& y) {
  const double count = static_cast<double>(x.size());
  double mean_x = 0, mean_y = 0, xx = 0, yy = 0, xy = 0;
  for (size_t i = 0; i < x.size(); ++i) mean_x += x[i] / count, mean_y += y[i] / count;
  for (size_t i = 0; i < x.size(); ++i) {
    const double dx = x[i] - mean_x, dy = y[i] - mean_y;
    xx += dx * dx, yy += dy * dy, xy += dx * dy;
  }
  return xy / std::sqrt(xx * yy);
}

LeastSquares scaling_problem(const std::vector<double>& n, const std::vector<double>& loss, bool with_offset) {
  LeastSquares problem;
  problem.count = with_offset ? 3 : 2;
  problem.observed = loss;
  problem.low.fill(0), problem.high.fill(INFINITY);
  problem.low[kLogA] = -INFINITY;
  problem.predict = [with_offset, log_n = logarithms(n)](const Parameters& p, size_t i, Parameters& gradient) {
    const double power = std::exp(p[kLogA] - p[kAlpha] * log_n[i]);
    gradient = {power, -power * log_n[i], 1};
    return power + (with_offset ? p[kOffset] : 0);
  };
  return problem;
}

/// For a given alpha the law is linear in a and the offset: the least squares of these are a start.
Parameters start_at(double alpha, const std::vector<double>& n, const std::vector<double>& loss, bool with_offset) {
  const double count = static_cast<double>(n.size());
  double x = 0, y = 0, xx = 0, xy = 0, middle = 0;
  for (const double size : n) middle += std::log(size) / count;
  for (size_t i = 0; i < n.size(); ++i) {
    const double power = std::exp(-alpha * (std::log(n[i]) - middle));
    x += power, y += loss[i], xx += power * power, xy += power * loss[i];
  }
  double a = xy / xx, offset = 0;
  if (with_offset) {
    const double slope = (count * xy - x * y) / (count * xx - x * x), rest = (y - slope * x) / count;
    if (slope > 0 && rest > 0) a = slope, offset = rest;
  }
  return {std::log(a) + alpha * middle, alpha, offset};
}

/// The best of eight starts.
Solution solve_scaling_law(const LeastSquares& problem, const std::vector<double>& n, const std::vector<double>& loss,
                           bool with_offset) {
  Solution best;
  for (const double alpha : {0.03, 0.08, 0.15, 0.25, 0.4, 0.7, 1.2, 2.0}) {
    const Solution solution = minimize(problem, start_at(alpha, n, loss, with_offset));
    if (solution.squares < best.squares) best = solution;
  }
  return best;
}

Interval exponential(const Interval& interval) { return {std::exp(interval.low), std::exp(interval.high)}; }

double rms_of(const LeastSquares& problem, const Solution& solution) {
  return std::sqrt(solution.squares / static_cast<double>(problem.observed.size()));
}

ScalingFit to_fit(const Solution& solution, bool with_offset) {
  ScalingFit fit;
  fit.a = std::exp(solution.parameters[kLogA]);
  fit.alpha = solution.parameters[kAlpha];
  fit.offset = with_offset ? solution.parameters[kOffset] : 0;
  return fit;
}

/// The bootstrap's errors have the spread of normal ones of the fit's size. That size is itself a guess from so many degrees, which
/// is what Student's distribution adds: 1.25 times at nine sizes.
double stretch(size_t points, size_t coefficients) {
  const double count = static_cast<double>(points), degrees = count - static_cast<double>(coefficients);
  const double fewer = std::sqrt(count / degrees);  // a fit's residuals are smaller than the errors: each coefficient uses one up
  return fewer * student_t_bound(0.95, static_cast<int>(points - coefficients)) / kNormalBound;
}

void check_converged(const Solution& best) {
  if (!best.converged)
    throw bad_input("no fit of the scaling law converged", "these sizes and losses do not determine it: look for wrong values");
}

}  // namespace

double ScalingFit::at(double n) const { return a / std::pow(n, alpha) + offset; }

ScalingFit fit_scaling_law(const std::vector<double>& n, const std::vector<double>& loss, bool with_offset) {
  check_values(loss, loss.size(), 1, "losses");
  check_values(n, loss.size(), with_offset ? 3 : 2, "sizes");
  const LeastSquares problem = scaling_problem(n, loss, with_offset);
  const Solution best = solve_scaling_law(problem, n, loss, with_offset);
  check_converged(best);
  ScalingFit fit = to_fit(best, with_offset);
  fit.rms = rms_of(problem, best);
  fit.a_interval = exponential(profile_interval(problem, best, kLogA));
  fit.alpha_interval = profile_interval(problem, best, kAlpha);
  fit.offset_interval = with_offset ? profile_interval(problem, best, kOffset) : Interval{0, 0};
  return fit;
}

std::vector<ScalingFit> resampled_fits(const ScalingFit& fit, const std::vector<double>& n, const std::vector<double>& loss,
                                       bool with_offset, int resamples, uint64_t seed) {
  LeastSquares problem = scaling_problem(n, loss, with_offset);
  std::vector<ScalingFit> fits;
  if (n.size() <= problem.count) return fits;
  std::vector<double> residuals;
  const double factor = stretch(n.size(), problem.count);
  for (size_t i = 0; i < n.size(); ++i) residuals.push_back(factor * (loss[i] - fit.at(n[i])));
  Rng rng(seed);
  for (int round = 0; round < resamples; ++round) {
    for (size_t i = 0; i < n.size(); ++i) problem.observed[i] = fit.at(n[i]) + residuals[rng.below(residuals.size())];
    Solution again = minimize(problem, {std::log(fit.a), fit.alpha, with_offset ? fit.offset : 0});
    if (!again.converged) again = solve_scaling_law(problem, n, problem.observed, with_offset);
    fits.push_back(to_fit(again, with_offset));
  }
  return fits;
}

ScalingIntervals intervals_of(const std::vector<ScalingFit>& fits) {
  if (fits.empty()) return {};
  std::vector<double> a, alpha, offset;
  for (const ScalingFit& fit : fits) a.push_back(fit.a), alpha.push_back(fit.alpha), offset.push_back(fit.offset);
  return {middle_95(a), middle_95(alpha), middle_95(offset)};
}

Interval middle_95(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const auto at = [&](double share) {
    const double place = share * static_cast<double>(values.size() - 1);
    const auto left = static_cast<size_t>(place);
    const double part = place - static_cast<double>(left);
    if (part == 0 || values[left] == values[left + 1]) return values[left];  // both may be infinite
    return values[left] + part * (values[left + 1] - values[left]);
  };
  return {at(0.025), at(0.975)};
}

double DataScalingFit::at(double n, double tokens) const { return offset + a / std::pow(n, alpha) + b / std::pow(tokens, beta); }

DataScalingFit fit_data_scaling_law(const std::vector<double>& n, const std::vector<double>& tokens,
                                    const std::vector<double>& loss) {
  check_values(loss, loss.size(), 1, "losses");
  check_values(n, loss.size(), 3, "sizes");
  check_values(tokens, loss.size(), 3, "token counts");
  if (loss.size() < 5) throw bad_input(fmt::format("{} losses for five coefficients", loss.size()), "add models");
  const std::vector<double> log_n = logarithms(n), log_d = logarithms(tokens);
  if (const double r = correlation(log_n, log_d); std::abs(r) > kMostCorrelation)
    throw bad_input(fmt::format("sizes and numbers of tokens go together (correlation {:.3f} of their logarithms)", r),
                    "their parts of the loss cannot be told apart: add models of one size with other numbers of tokens");
  enum : size_t { kA, kPowerN, kB, kPowerD, kRest };
  LeastSquares problem;
  problem.count = 5;
  problem.observed = loss;
  problem.low = {-INFINITY, 0, -INFINITY, 0, 0};
  problem.high.fill(INFINITY);
  problem.predict = [log_n, log_d](const Parameters& p, size_t i, Parameters& gradient) {
    const double of_n = std::exp(p[kA] - p[kPowerN] * log_n[i]), of_d = std::exp(p[kB] - p[kPowerD] * log_d[i]);
    gradient = {of_n, -of_n * log_n[i], of_d, -of_d * log_d[i], 1};
    return of_n + of_d + p[kRest];
  };
  // Starts: each part a third of the smallest loss, at the middle of its sizes.
  const double third = *std::min_element(loss.begin(), loss.end()) / 3;
  const auto middle = [](const std::vector<double>& x) {
    return (*std::min_element(x.begin(), x.end()) + *std::max_element(x.begin(), x.end())) / 2;
  };
  Solution best;
  for (const double alpha : {0.1, 0.3, 0.6, 1.0})
    for (const double beta : {0.1, 0.3, 0.6, 1.0}) {
      const Solution solution =
          minimize(problem, {std::log(third) + alpha * middle(log_n), alpha, std::log(third) + beta * middle(log_d), beta, third});
      if (solution.squares < best.squares) best = solution;
    }
  check_converged(best);
  DataScalingFit fit{best.parameters[kRest],
                     std::exp(best.parameters[kA]),
                     best.parameters[kPowerN],
                     std::exp(best.parameters[kB]),
                     best.parameters[kPowerD],
                     profile_interval(problem, best, kRest),
                     exponential(profile_interval(problem, best, kA)),
                     profile_interval(problem, best, kPowerN),
                     exponential(profile_interval(problem, best, kB)),
                     profile_interval(problem, best, kPowerD),
                     rms_of(problem, best)};
  return fit;
}

}  // namespace spectra::analysis
