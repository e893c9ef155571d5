// SPDX-License-Identifier: Apache-2.0
#pragma once
// Nonlinear least squares of a few parameters within bounds: Levenberg-Marquardt, and intervals from the profile of the sum.
#include <array>
#include <functional>
#include <limits>
#include <vector>

namespace spectra::analysis {

struct Interval {
  double low = std::numeric_limits<double>::quiet_NaN(), high = std::numeric_limits<double>::quiet_NaN();
};

constexpr size_t kMostParameters = 5;
using Parameters = std::array<double, kMostParameters>;

struct LeastSquares {
  size_t count = 0;  ///< of parameters
  /// Value at point `i`; puts its derivative by each parameter into `gradient`.
  std::function<double(const Parameters& p, size_t i, Parameters& gradient)> predict;
  std::vector<double> observed;  ///< one value a point
  Parameters low, high;          ///< bounds of the parameters, infinite where there are none
};

struct Solution {
  Parameters parameters{};
  double squares = std::numeric_limits<double>::infinity();  ///< sum of the squared residuals
  /// The points lie on the curve, or a Gauss-Newton step would lower the sum by less than a millionth (Bates and Watts 1981).
  bool converged = false;
};

constexpr size_t kNoParameter = kMostParameters;
/// The least sum of squares near `start`. `held`: the parameter that keeps its start value.
Solution minimize(const LeastSquares& problem, const Parameters& start, size_t held = kNoParameter);

/// The values of one parameter at which the sum of squares, least over all other parameters, stays below its minimum times
/// 1 + t² / (points - parameters), t of Student's distribution at `level`: exact for a linear model with normal errors of unknown
/// size, and unlike best ± t·error it follows the curvature of this one. NaN with no more points than parameters; a side is at its
/// bound or infinite where the data do not limit it. One value where the points lie on the curve.
Interval profile_interval(const LeastSquares& problem, const Solution& best, size_t parameter, double level = 0.95);

}  // namespace spectra::analysis
