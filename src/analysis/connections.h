// SPDX-License-Identifier: Apache-2.0
#pragma once
// Which connections a low-bit model has: codes -1, 0 and +1 of every layer, head and neuron, and how they change between
// checkpoints.
#include <cstdint>
#include <string>
#include <vector>

#include "analysis/histogram.h"
#include "format/model_directory.h"

namespace spectra::analysis {

struct Codes3 {
  int64_t minus = 0, zero = 0, plus = 0;
  int64_t total() const { return minus + zero + plus; }
  double share(int64_t count) const { return static_cast<double>(count) / static_cast<double>(total()); }
};

struct MatrixConnections {
  std::string name;
  MatrixPlace place;
  Codes3 all;
  /// Heads of q_proj, k_proj, v_proj (rows) and o_proj (columns); neurons of gate_proj, up_proj (rows) and down_proj (columns).
  std::vector<Codes3> parts;
};
/// In file order. Throws Error where the model is neither ternary nor binary.
std::vector<MatrixConnections> connections(const format::ModelDirectory& directory);

struct Flips {
  std::string name;
  MatrixPlace place;
  int64_t weights = 0, to_zero = 0, from_zero = 0, sign_changes = 0;
};
/// What changed from one model to another of the same shape. Throws Error otherwise.
std::vector<Flips> flips(const format::ModelDirectory& from, const format::ModelDirectory& to);

}  // namespace spectra::analysis
