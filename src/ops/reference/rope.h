// SPDX-License-Identifier: Apache-2.0
#pragma once
// Rotary positions (Su et al. 2021, equation 34) in the half-split order of Hugging Face Llama: (i, i + E/2) is a pair.
#include <cmath>

#include "ops/backend.h"
#include "ops/reference/matrix.h"

namespace spectra::ops::reference {

/// Rotates the first H + K heads of each row (q and k) by ±position * theta^(-2i/E). Angles in double: at
/// position 2047 a float angle would be wrong in the fourth digit.
template <class T>
void rope(Matrix<T> qkv, const AttentionShape& shape, double theta, bool inverse) {
  const int64_t half = shape.head_dim / 2;
  for (int64_t n = 0; n < qkv.rows; ++n) {
    const double position = static_cast<double>(n % shape.time);
    for (int64_t i = 0; i < half; ++i) {
      const double angle = position * std::pow(theta, -2.0 * static_cast<double>(i) / static_cast<double>(shape.head_dim));
      const T cosine = static_cast<T>(std::cos(angle)), sine = static_cast<T>(inverse ? -std::sin(angle) : std::sin(angle));
      for (int64_t head = 0; head < shape.heads + shape.kv_heads; ++head) {
        T* x = qkv.row(n) + head * shape.head_dim;
        const T a = x[i], b = x[i + half];
        x[i] = a * cosine - b * sine;
        x[i + half] = b * cosine + a * sine;
      }
    }
  }
}

}  // namespace spectra::ops::reference
