// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "ops/backend.h"

namespace spectra::ops {

/// What this machine reaches in large matrix products through the backend's library and in its precision, FLOP/s: the best of a few
/// square ones, up to 2048. A training step cannot be faster; its share of this is the model FLOPs utilization. Takes about a
/// second.
double gemm_peak(Backend& backend);

}  // namespace spectra::ops
