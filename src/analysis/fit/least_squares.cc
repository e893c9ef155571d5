// SPDX-License-Identifier: Apache-2.0
#include "analysis/fit/least_squares.h"

#include <algorithm>
#include <cmath>

#include "analysis/fit/student_t.h"

namespace spectra::analysis {
namespace {

using Matrix = std::array<Parameters, kMostParameters>;

/// JᵀJ, Jᵀr and the sum of squares at a place.
struct Normal {
  Matrix products{};
  Parameters slope{};
  double squares = 0;
};

Normal normal_equations(const LeastSquares& problem, const Parameters& p) {
  Normal normal;
  Parameters gradient{};
  for (size_t point = 0; point < problem.observed.size(); ++point) {
    const double residual = problem.observed[point] - problem.predict(p, point, gradient);
    normal.squares += residual * residual;
    for (size_t i = 0; i < problem.count; ++i) {
      normal.slope[i] += gradient[i] * residual;
      for (size_t j = 0; j < problem.count; ++j) normal.products[i][j] += gradient[i] * gradient[j];
    }
  }
  return normal;
}

/// x with a x = b over the parameters that are `free`, by Gaussian elimination with pivoting; 0 for the others.
Parameters solve(Matrix a, Parameters b, const std::array<bool, kMostParameters>& free, size_t count) {
  for (size_t i = 0; i < count; ++i) {
    if (free[i]) continue;
    a[i].fill(0);
    for (size_t j = 0; j < count; ++j) a[j][i] = 0;
    a[i][i] = 1, b[i] = 0;
  }
  for (size_t column = 0; column < count; ++column) {
    size_t pivot = column;
    for (size_t row = column + 1; row < count; ++row)
      if (std::abs(a[row][column]) > std::abs(a[pivot][column])) pivot = row;
    std::swap(a[column], a[pivot]), std::swap(b[column], b[pivot]);
    if (a[column][column] == 0) a[column][column] = 1;  // a parameter without influence: it does not move
    for (size_t row = column + 1; row < count; ++row) {
      const double factor = a[row][column] / a[column][column];
      for (size_t j = column; j < count; ++j) a[row][j] -= factor * a[column][j];
      b[row] -= factor * b[column];
    }
  }
  Parameters x{};
  for (size_t i = count; i-- > 0;) {
    double sum = b[i];
    for (size_t j = i + 1; j < count; ++j) sum -= a[i][j] * x[j];
    x[i] = sum / a[i][i];
  }
  return x;
}

/// The damped step from `p`; a parameter that would cross its bound goes there, and the others make the best of it.
Parameters damped_step(const LeastSquares& problem, const Normal& normal, const Parameters& p, double damping, size_t held) {
  Matrix matrix = normal.products;
  for (size_t i = 0; i < problem.count; ++i) matrix[i][i] += damping * std::max(matrix[i][i], 1e-30);
  std::array<bool, kMostParameters> free;
  free.fill(true);
  if (held < problem.count) free[held] = false;
  Parameters at_bound{};
  for (size_t round = 0;; ++round) {
    Parameters right = normal.slope;
    for (size_t i = 0; i < problem.count; ++i)
      for (size_t j = 0; j < problem.count; ++j)
        if (!free[j]) right[i] -= matrix[i][j] * at_bound[j];
    Parameters step = solve(matrix, right, free, problem.count);
    bool crossed = false;
    for (size_t i = 0; i < problem.count; ++i) {
      if (!free[i]) {
        step[i] = at_bound[i];
      } else if (p[i] + step[i] < problem.low[i] || p[i] + step[i] > problem.high[i]) {
        at_bound[i] = (step[i] < 0 ? problem.low[i] : problem.high[i]) - p[i];
        free[i] = false, crossed = true;
      }
    }
    if (!crossed) return step;
  }
}

/// A sum that is rounding alone: residuals of a billionth of the values.
bool lies_on_curve(const LeastSquares& problem, double squares) {
  double size = 0;
  for (const double value : problem.observed) size += value * value;
  return squares <= 1e-18 * size;
}

/// Whether `p` is a solution, in the sense of Solution::converged. A parameter at its bound that the sum would push beyond stays
/// there.
bool has_converged(const LeastSquares& problem, const Normal& normal, const Parameters& p, size_t held) {
  if (!std::isfinite(normal.squares)) return false;
  if (lies_on_curve(problem, normal.squares)) return true;
  std::array<bool, kMostParameters> free{};
  for (size_t i = 0; i < problem.count; ++i)
    free[i] = i != held && !(p[i] <= problem.low[i] && normal.slope[i] <= 0) && !(p[i] >= problem.high[i] && normal.slope[i] >= 0);
  const Parameters step = solve(normal.products, normal.slope, free, problem.count);
  double fall = 0;  // by which the sum would fall if the model were linear
  for (size_t i = 0; i < problem.count; ++i) fall += normal.slope[i] * step[i];
  return std::abs(fall) <= 1e-6 * normal.squares;
}

/// Covariances of the parameters for errors of size 1; those at a bound do not vary.
Matrix covariances(const LeastSquares& problem, const Solution& best) {
  const Normal normal = normal_equations(problem, best.parameters);
  std::array<bool, kMostParameters> free{};
  for (size_t i = 0; i < problem.count; ++i) free[i] = best.parameters[i] > problem.low[i] && best.parameters[i] < problem.high[i];
  Matrix inverse{};
  for (size_t i = 0; i < problem.count; ++i) {
    Parameters unit{};
    unit[i] = 1;
    inverse[i] = solve(normal.products, unit, free, problem.count);
  }
  return inverse;
}

/// Finds one end of a profile interval.
class ProfileSide {
 public:
  ProfileSide(const LeastSquares& problem, const Solution& best, const Matrix& covariance, size_t parameter, double allowed)
      : problem_(problem), best_(best), covariance_(covariance), index_(parameter), allowed_(allowed), last_(best) {}

  double find(double step) {
    const double start = best_.parameters[index_], bound = step < 0 ? problem_.low[index_] : problem_.high[index_];
    double inside = start, inside_excess = -1, outside = start;
    for (int tries = 0;; ++tries, step *= 2) {
      outside = step < 0 ? std::max(start + step, bound) : std::min(start + step, bound);
      const double excess = excess_at(outside);
      if (excess >= 0) return cross(inside, inside_excess, outside, excess);
      if (outside == bound) return bound;
      if (tries == 40) return step < 0 ? -INFINITY : INFINITY;
      inside = outside, inside_excess = excess;
    }
  }

 private:
  /// 0 where the sum of squares has risen by what is allowed; its root, so that it is nearly linear in `value`. Starts from the
  /// last place inside, straight and along the covariance, for far outside the other parameters may lose all influence.
  double excess_at(double value) {
    Parameters straight = last_.parameters, along = straight;
    const double moved = value - straight[index_];
    for (size_t i = 0; i < problem_.count; ++i)
      if (i != index_ && covariance_[index_][index_] > 0)
        along[i] =
            std::clamp(along[i] + moved * covariance_[index_][i] / covariance_[index_][index_], problem_.low[i], problem_.high[i]);
    straight[index_] = along[index_] = value;
    Solution there = minimize(problem_, along, index_);
    if (const Solution other = minimize(problem_, straight, index_); !(there.squares <= other.squares)) there = other;
    const double excess = std::sqrt(std::max(0.0, there.squares - best_.squares) / allowed_) - 1;
    if (excess < 0) last_ = there;
    return excess;
  }

  /// Between a place inside and one outside: the secant, and halves where it does not get on (the Illinois method).
  double cross(double inside, double inside_excess, double outside, double outside_excess) {
    const double width = std::abs(outside - best_.parameters[index_]);
    int side = 0;
    for (int i = 0; i < 100 && std::abs(outside - inside) > 1e-7 * width; ++i) {
      const double middle = (inside * outside_excess - outside * inside_excess) / (outside_excess - inside_excess);
      const double excess = excess_at(middle);
      if (std::abs(excess) < 1e-7) return middle;
      if (excess < 0) {
        inside = middle, inside_excess = excess;
        if (side == -1) outside_excess /= 2;
        side = -1;
      } else {
        outside = middle, outside_excess = excess;
        if (side == 1) inside_excess /= 2;
        side = 1;
      }
    }
    return (inside + outside) / 2;
  }

  const LeastSquares& problem_;
  const Solution& best_;
  const Matrix& covariance_;
  size_t index_;
  double allowed_;
  Solution last_;  ///< the newest inside
};

}  // namespace

Solution minimize(const LeastSquares& problem, const Parameters& start, size_t held) {
  Solution best;
  best.parameters = start;
  Normal normal = normal_equations(problem, start);
  best.squares = normal.squares;
  double damping = 1e-3;
  for (int round = 0; round < 1000 && damping < 1e12; ++round) {
    Parameters trial = best.parameters;
    const Parameters step = damped_step(problem, normal, best.parameters, damping, held);
    for (size_t i = 0; i < problem.count; ++i) trial[i] = std::clamp(trial[i] + step[i], problem.low[i], problem.high[i]);
    const Normal there = normal_equations(problem, trial);
    if (!(there.squares < best.squares)) {  // true as well where it is not a number
      damping *= 10;
      continue;
    }
    const bool little = best.squares - there.squares <= 1e-13 * best.squares;
    best.parameters = trial, best.squares = there.squares, normal = there;
    if (little && damping <= 1e-3) break;
    damping = std::max(damping / 10, 1e-12);
  }
  best.converged = has_converged(problem, normal, best.parameters, held);
  return best;
}

Interval profile_interval(const LeastSquares& problem, const Solution& best, size_t parameter, double level) {
  if (problem.observed.size() <= problem.count) return {};
  if (lies_on_curve(problem, best.squares)) return {best.parameters[parameter], best.parameters[parameter]};
  const int degrees = static_cast<int>(problem.observed.size() - problem.count);
  const double t = student_t_bound(level, degrees), variance = best.squares / degrees, value = best.parameters[parameter];
  const Matrix covariance = covariances(problem, best);
  double step = t * std::sqrt(variance * covariance[parameter][parameter]);
  // Any first step will do at a bound, and where the covariance is beyond the arithmetic.
  if (!(step > 1e-12 * std::abs(value)) || !std::isfinite(step)) step = t * std::sqrt(variance) + 1e-9;
  const auto side = [&](double first) { return ProfileSide(problem, best, covariance, parameter, t * t * variance).find(first); };
  return {value > problem.low[parameter] ? side(-step) : value, value < problem.high[parameter] ? side(step) : value};
}

}  // namespace spectra::analysis
