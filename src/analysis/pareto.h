// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstddef>
#include <vector>

namespace spectra::analysis {

/// The models that no other beats (by less loss at the same cost or less, or the same loss at less cost): numbers of the points
/// with rising cost and falling loss. Equal points are all among them, points with a value that is not finite never.
std::vector<size_t> pareto_front(const std::vector<double>& cost, const std::vector<double>& loss);

}  // namespace spectra::analysis
