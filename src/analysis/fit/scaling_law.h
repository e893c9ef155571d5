// SPDX-License-Identifier: Apache-2.0
#pragma once
// Scaling laws of the paper (its section 4.3 and appendix C) and of Hoffmann et al. 2022: loss against parameters and tokens, by
// least squares. Losses in nats a token.
#include <cstdint>
#include <vector>

#include "analysis/fit/least_squares.h"

namespace spectra::analysis {

/// L(N) = a / N^alpha + offset, with 95 % intervals (see profile_interval).
struct ScalingFit {
  double a = 0, alpha = 0, offset = 0;
  Interval a_interval, alpha_interval, offset_interval;
  double rms = 0;  ///< root of the mean squared residual
  double at(double n) const;
};
/// `with_offset` false: the pure power law, offset = 0. The offset is never negative. Throws Error unless all values are positive
/// and there are three different sizes (two for the pure law), or where no fit converges.
ScalingFit fit_scaling_law(const std::vector<double>& n, const std::vector<double>& loss, bool with_offset);

/// Fits to `resamples` sets of losses: the law's own and residuals of `fit` drawn with replacement, these stretched so that the
/// middle 95 % of the fits are an interval as Student's distribution has it (a few sizes know the errors' size only roughly). Empty
/// with no more sizes than coefficients.
std::vector<ScalingFit> resampled_fits(const ScalingFit& fit, const std::vector<double>& n, const std::vector<double>& loss,
                                       bool with_offset, int resamples, uint64_t seed);
struct ScalingIntervals {
  Interval a, alpha, offset;
};
/// The middle 95 % of resampled fits; NaN where there are none.
ScalingIntervals intervals_of(const std::vector<ScalingFit>& fits);
/// 2.5 and 97.5 percentiles of at least one value; values may be infinite.
Interval middle_95(std::vector<double> values);

/// L(N, D) = offset + a / N^alpha + b / D^beta, D in tokens.
struct DataScalingFit {
  double offset = 0, a = 0, alpha = 0, b = 0, beta = 0;
  Interval offset_interval, a_interval, alpha_interval, b_interval, beta_interval;
  double rms = 0;
  double at(double n, double tokens) const;
};
/// Throws Error unless all values are positive and there are three different sizes and three different numbers of tokens, where
/// these go together (tokens 20 times the parameters, say: their parts cannot be told apart), or where no fit converges.
DataScalingFit fit_data_scaling_law(const std::vector<double>& n, const std::vector<double>& tokens,
                                    const std::vector<double>& loss);

}  // namespace spectra::analysis
