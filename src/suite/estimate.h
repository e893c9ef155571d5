// SPDX-License-Identifier: Apache-2.0
#pragma once
// How long a plan takes.
#include <vector>

#include "suite/runner.h"

namespace spectra::suite {

/// Seconds of every job that is left. `gflops`: what training reaches, in 1e9 FLOP/s of one job; 0 = measured: a few training steps
/// of models like the suite's, on plan.threads threads (some seconds).
std::vector<double> expected_seconds(const Plan& plan, const Standing& standing, double gflops);

}  // namespace spectra::suite
