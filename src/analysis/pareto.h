// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstddef>
#include <vector>

namespace spectra::analysis {

/// The models that no other beats (by less loss at the same cost or less, or the same loss at less cost): numbers of the points
/// with rising cost and falling loss. Of equal points all are among them; a point with a value that is not finite never is.
std::vector<size_t> pareto_front(const std::vector<double>& cost, const std::vector<double>& loss);

}  // namespace spectra::analysis
