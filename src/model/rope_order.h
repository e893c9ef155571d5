// SPDX-License-Identifier: Apache-2.0
#pragma once
// Rows of q and k. Hugging Face models turn pairs (i, i + E/2) of a head, llama2.c and GGUF files adjacent pairs (2i, 2i + 1): the
// same model has its rows in another order.
#include <cstdint>

#include "model/slot.h"

namespace spectra::model {

/// Whether the rows of a parameter are in such an order.
inline bool is_turned(Slot slot) { return slot == Slot::kQ || slot == Slot::kK; }
/// Row `row` in Hugging Face order is this row in the order of adjacent pairs.
inline int64_t adjacent_row(int64_t row, int64_t head_dim) {
  const int64_t head = row / head_dim, i = row % head_dim, half = head_dim / 2;
  return head * head_dim + (i < half ? 2 * i : 2 * (i - half) + 1);
}
/// The inverse.
inline int64_t half_split_row(int64_t row, int64_t head_dim) {
  const int64_t head = row / head_dim, i = row % head_dim, half = head_dim / 2;
  return head * head_dim + i / 2 + (i % 2) * half;
}

}  // namespace spectra::model
