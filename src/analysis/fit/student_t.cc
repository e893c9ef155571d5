// SPDX-License-Identifier: Apache-2.0
#include "analysis/fit/student_t.h"

#include <cmath>

#include "base/error.h"

namespace spectra::analysis {

// Abramowitz and Stegun 26.7.3 and 26.7.4: for a whole number of degrees the integral is a finite sum.
double student_t_within(double t, int degrees) {
  SPECTRA_CHECK(t >= 0 && degrees >= 1);
  const double angle = std::atan(t / std::sqrt(degrees)), sine = std::sin(angle), cosine = std::cos(angle);
  const bool odd = degrees % 2 == 1;
  double term = odd ? cosine : 1, sum = degrees == 1 ? 0 : term;
  for (int k = odd ? 3 : 2; k <= degrees - 2; k += 2) {
    term *= cosine * cosine * (k - 1) / k;
    sum += term;
  }
  return odd ? 2 / M_PI * (angle + sine * sum) : sine * sum;
}

double student_t_bound(double level, int degrees) {
  SPECTRA_CHECK(level > 0 && level < 1);
  double low = 0, high = 1;
  while (student_t_within(high, degrees) < level) high *= 2;
  for (int i = 0; i < 100; ++i) {
    const double middle = (low + high) / 2;
    (student_t_within(middle, degrees) < level ? low : high) = middle;
  }
  return high;
}

}  // namespace spectra::analysis
