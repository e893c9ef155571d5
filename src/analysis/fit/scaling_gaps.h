// SPDX-License-Identifier: Apache-2.0
#pragma once
// How far one kind of model lies above another, by their scaling laws.
#include "analysis/fit/scaling_law.h"

namespace spectra::analysis {

/// How far `fit` lies above `base` at size `n`, per cent of the loss of `base`.
double gap_percent(const ScalingFit& fit, const ScalingFit& base, double n);
/// What that gap tends to for ever larger models. Where the offset of `base` is 0: infinite, -100, or with equal alphas the gap
/// of the factors.
double limiting_gap_percent(const ScalingFit& fit, const ScalingFit& base);
/// The smallest size from 1 to 10^30 from which on the gap is no more than `percent` (the paper's figure 10; its closed form is
/// the case of equal alphas). NaN where it never falls to that.
double size_at_gap(const ScalingFit& fit, const ScalingFit& base, double percent);

/// 95 % intervals of size_at_gap and limiting_gap_percent over pairs of resampled fits; an end is infinite where the data do not
/// limit it, and both are NaN where there are no fits.
Interval size_at_gap_interval(const std::vector<ScalingFit>& fits, const std::vector<ScalingFit>& bases, double percent);
Interval limiting_gap_interval(const std::vector<ScalingFit>& fits, const std::vector<ScalingFit>& bases);

}  // namespace spectra::analysis
