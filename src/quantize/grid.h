// SPDX-License-Identifier: Apache-2.0
#pragma once
// The symmetric grid of a group of weights: scale * code, codes from -2^(b-1) to 2^(b-1) - 1 (reference facts of GPTQ's quantizer).
#include <cstdint>

namespace spectra::quantize {

struct Grid {
  int bits = 4;
  bool mse = false;
  bool halve_positive = false;  ///< as the authors' code: a group without a negative weight gets half the scale

  double lowest() const { return -static_cast<double>(1 << (bits - 1)); }
  double highest() const { return static_cast<double>((1 << (bits - 1)) - 1); }
  /// Scale of `count` weights: 2 max|w| / (2^bits - 1), so the largest positive weight is cut by half a step. Rounded to fp16, not
  /// below the smallest fp16 number; 2 / (2^bits - 1) where all are 0. Infinite where the weights are beyond fp16.
  float scale(const double* w, int64_t count) const;
};

/// x rounded to an integer, half to even; |x| < 2^51. Unlike std::nearbyint it needs no call, so loops of it become vector code.
inline double round_half_even(double x) {
  constexpr double kShift = 0x1.8p52;  // beyond it doubles are integers
  return (x + kShift) - kShift;
}

/// The code of w and, in `clipped`, whether the grid ended before it.
inline double code(const Grid& grid, double w, double scale, int64_t& clipped) {
  const double wanted = w / scale, lowest = grid.lowest(), highest = grid.highest();
  const double rounded = round_half_even(wanted < lowest - 1 ? lowest - 1 : wanted > highest + 1 ? highest + 1 : wanted);
  clipped += rounded < lowest || rounded > highest ? 1 : 0;
  return rounded < lowest ? lowest : rounded > highest ? highest : rounded;
}

}  // namespace spectra::quantize
