// SPDX-License-Identifier: Apache-2.0
#include "model/initial.h"

#include <algorithm>

#include "base/hash.h"
#include "base/rng.h"

namespace spectra::model {

void initial_values(const Parameter& parameter, uint64_t seed, int64_t begin, int64_t count, float* out) {
  constexpr double kDeviation = 0.02;  // initializer_range of the released models
  if (parameter.vector()) {
    std::fill_n(out, count, parameter.role == Role::kNorm ? 1.0f : 0.0f);
    return;
  }
  const Rng rng(seed, std::stoull(sha256(parameter.name).substr(0, 16), nullptr, 16));
#pragma omp parallel for
  for (int64_t i = 0; i < count; ++i) out[i] = static_cast<float>(kDeviation * rng.normal_at(static_cast<uint64_t>(begin + i)));
}

}  // namespace spectra::model
