// SPDX-License-Identifier: Apache-2.0
#pragma once
// A matrix quantized after training (QuantLM): integers on a symmetric grid with a scale per row and group of columns.
#include <cstdint>
#include <vector>

namespace spectra::lowbit {

/// W[r, c] = scales[r, group of c] * codes[r, c].
struct QuantizedMatrix {
  int64_t rows = 0, cols = 0;  ///< (out, in)
  int bits = 4;                ///< 3, 4, 6, 8
  int64_t group_size = 0;      ///< columns of a group, divides cols; cols: one scale a row (per channel)
  std::vector<int8_t> codes;   ///< rows * cols, in [-2^(bits-1), 2^(bits-1) - 1]
  std::vector<float> scales;   ///< rows * groups(), each exactly representable in fp16

  int64_t groups() const { return cols / group_size; }
};

}  // namespace spectra::lowbit
