// SPDX-License-Identifier: Apache-2.0
#pragma once
// Quantized models of other tools' formats in memory: their words become the tiles that kernels multiply.
#include <vector>

#include "infer/weights.h"
#include "model/quantized_tensors.h"

namespace spectra::infer {

/// A matrix of the file and where it goes: to->weight holds a PackedLinear of its layout, without codes.
struct QuantizedLinear {
  model::StoredQuantized from;
  Linear* to;
};

/// Where the codes of a matrix lie: a segment for each group of columns. Throws Error (exit 3) naming `name` where the engine
/// cannot multiply it as it is.
lowbit::Layout quantized_layout(const model::StoredQuantized& matrix, const std::string& name);

/// Reads all codes and scales, on all threads of the pool. One run of memory holds the codes of all matrices.
void read_quantized(std::vector<QuantizedLinear>& matrices);

}  // namespace spectra::infer
