// SPDX-License-Identifier: Apache-2.0
#include "steps.h"

namespace spectra::ladder {

int32_t dot_int8(const int8_t* a, const int8_t* b, size_t n) {
  int32_t sum = 0;
  for (size_t i = 0; i < n; ++i) sum += a[i] * b[i];
  return sum;
}

}  // namespace spectra::ladder
