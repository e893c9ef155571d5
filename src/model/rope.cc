// SPDX-License-Identifier: Apache-2.0
#include "model/rope.h"

#include <cmath>
#include <cstddef>
#include <cstdint>

namespace spectra::model {

std::vector<double> rope_frequencies(const Config& config) {
  const auto theta = static_cast<double>(config.rope_theta), dimension = static_cast<double>(config.head_dim());
  std::vector<double> frequencies(static_cast<size_t>(config.head_dim() / 2));
  for (size_t i = 0; i < frequencies.size(); ++i) frequencies[i] = std::pow(theta, -2.0 * static_cast<double>(i) / dimension);
  return frequencies;
}

}  // namespace spectra::model
