// SPDX-License-Identifier: Apache-2.0
#pragma once
// Scaling laws of the paper (its section 4.3 and appendix C) and of Hoffmann et al. 2022: loss against parameters and tokens, by
// least squares. Losses in nats a token.
#include <cstdint>
#include <vector>

#include "analysis/least_squares.h"

namespace spectra::analysis {

/// L(N) = a / N^alpha + offset, with 95 % intervals (see profile_interval).
struct ScalingFit {
  double a = 0, alpha = 0, offset = 0;
  Interval a_interval, alpha_interval, offset_interval;
  double rms = 0;  ///< root of the mean squared residual
  double at(double n) const;
};
/// `with_offset` false: the pure power law, offset = 0. The offset is never negative. Throws Error unless all values are positive
/// and there are three different sizes (two for the pure law).
ScalingFit fit_scaling_law(const std::vector<double>& n, const std::vector<double>& loss, bool with_offset);

struct ScalingIntervals {
  Interval a, alpha, offset;
};
/// 95 % intervals by resampling the residuals of `fit`: percentiles of `resamples` new fits.
ScalingIntervals bootstrap_scaling_law(const ScalingFit& fit, const std::vector<double>& n, const std::vector<double>& loss,
                                       bool with_offset, int resamples, uint64_t seed);

/// How far `fit` lies above `base` at size `n`, per cent of the loss of `base`.
double gap_percent(const ScalingFit& fit, const ScalingFit& base, double n);
/// What that gap tends to for ever larger models; NaN where both offsets are 0.
double limiting_gap_percent(const ScalingFit& fit, const ScalingFit& base);
/// The smallest size from 1 to 10^30 from which on the gap is no more than `percent` (the paper's figure 10; its closed form is
/// the case of equal alphas). NaN where it never falls to that.
double size_at_gap(const ScalingFit& fit, const ScalingFit& base, double percent);

/// L(N, D) = offset + a / N^alpha + b / D^beta, D in tokens.
struct DataScalingFit {
  double offset = 0, a = 0, alpha = 0, b = 0, beta = 0;
  Interval offset_interval, a_interval, alpha_interval, b_interval, beta_interval;
  double rms = 0;
  double at(double n, double tokens) const;
};
/// Throws Error unless all values are positive and there are three different sizes and three different numbers of tokens.
DataScalingFit fit_data_scaling_law(const std::vector<double>& n, const std::vector<double>& tokens,
                                    const std::vector<double>& loss);

}  // namespace spectra::analysis
