// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstddef>
#include <vector>

namespace spectra::analysis {

/// The models that no other beats: numbers of the points with rising cost and falling loss. Of equal points the first. Points with
/// a value that is not finite are never among them.
std::vector<size_t> pareto_front(const std::vector<double>& cost, const std::vector<double>& loss);

}  // namespace spectra::analysis
