// SPDX-License-Identifier: Apache-2.0
#include "analysis/pareto.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"

namespace spectra::analysis {

std::vector<size_t> pareto_front(const std::vector<double>& cost, const std::vector<double>& loss) {
  SPECTRA_CHECK(cost.size() == loss.size());
  std::vector<size_t> order;
  for (size_t i = 0; i < cost.size(); ++i)
    if (std::isfinite(cost[i]) && std::isfinite(loss[i])) order.push_back(i);
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return cost[a] != cost[b] ? cost[a] < cost[b] : loss[a] < loss[b]; });
  std::vector<size_t> front;
  for (const size_t i : order)
    if (front.empty() || loss[i] < loss[front.back()] || (loss[i] == loss[front.back()] && cost[i] == cost[front.back()]))
      front.push_back(i);
  return front;
}

}  // namespace spectra::analysis
