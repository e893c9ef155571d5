// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <vector>

#include "model/config.h"

namespace spectra::model {

/// Of each pair of a head's elements (E / 2): theta^(-2i/E) radians a position, in fp64.
std::vector<double> rope_frequencies(const Config& config);

}  // namespace spectra::model
