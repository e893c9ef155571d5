// SPDX-License-Identifier: Apache-2.0
#pragma once
// The weights a model starts from.
#include <cstdint>

#include "model/config.h"

namespace spectra::model {

/// Values [begin, begin + count) of a parameter in row-major order: N(0, 0.02²) for matrices, 1 for norms, 0 for biases. A pure
/// function of seed, name and index, so the same for every family, any number of threads and any piece by piece order.
void initial_values(const Parameter& parameter, uint64_t seed, int64_t begin, int64_t count, float* out);

}  // namespace spectra::model
