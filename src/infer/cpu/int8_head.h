// SPDX-License-Identifier: Apache-2.0
#pragma once
// The head rounded to int8 when a model is loaded: decoding reads half the bytes of an fp16 head.
#include "infer/weights.h"

namespace spectra::infer {

/// `dense` as codes times a scale for each row, absmax/127, codes rounded half to even, in the layout Format::kInt8. `release`:
/// nothing else reads the pages of `dense`, so they are given back. Throws Error (exit 3) where a weight is not finite, (exit 5)
/// where memory is missing.
PackedLinear round_to_int8(const Linear& dense, bool release);

}  // namespace spectra::infer
