// SPDX-License-Identifier: Apache-2.0
#pragma once
// Rotary positions (Su et al. 2021, equation 34) in the half-split order of Hugging Face Llama: (i, i + E/2) is a pair.
#include <cmath>

#include "ops/backend.h"
#include "ops/reference/matrix.h"

namespace spectra::ops::reference {

/// Rotates every head of each row by ±position * frequency. Angles in double: at position 2047 a float angle would be wrong in the
/// fourth digit.
template <class T>
void rope(Matrix<T> x, int64_t heads, int64_t time, const Rotation& rotation, bool inverse) {
  const auto half = static_cast<int64_t>(rotation.frequencies.size());
  for (int64_t n = 0; n < x.rows; ++n) {
    const double position = static_cast<double>(n % time);
    for (int64_t i = 0; i < half; ++i) {
      const double angle = position * rotation.frequencies[static_cast<size_t>(i)];
      const double sine_of = inverse ? -std::sin(angle) : std::sin(angle);
      const T cosine = static_cast<T>(std::cos(angle) * rotation.factor), sine = static_cast<T>(sine_of * rotation.factor);
      for (int64_t head = 0; head < heads; ++head) {
        T* pair = x.row(n) + head * 2 * half;
        const T a = pair[i], b = pair[i + half];
        pair[i] = a * cosine - b * sine;
        pair[i + half] = b * cosine + a * sine;
      }
    }
  }
}

}  // namespace spectra::ops::reference
