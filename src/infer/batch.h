// SPDX-License-Identifier: Apache-2.0
#pragma once
// What goes into a forward pass.
#include <cstdint>
#include <vector>

namespace spectra::infer {

/// Log-probability wanted of `token` as the one after batch row `row`.
struct Target {
  int32_t row;
  int32_t token;
};

/// N tokens. Those of one sequence come in order of position, without gaps among themselves or to what the sequence already holds;
/// a first position below its length drops what was stored from there on.
struct Batch {
  std::vector<int32_t> tokens;     ///< (N), each in [0, V)
  std::vector<int32_t> positions;  ///< (N), each below the context
  std::vector<int32_t> sequences;  ///< (N), ids from Engine::open_sequence
  std::vector<int32_t> logits_at;  ///< rows after which the next token is wanted: Results::next
  std::vector<Target> targets;     ///< any number a row: Results::scores

  void add(int32_t token, int32_t position, int32_t sequence) {
    tokens.push_back(token);
    positions.push_back(position);
    sequences.push_back(sequence);
  }
};

}  // namespace spectra::infer
