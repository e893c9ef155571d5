// SPDX-License-Identifier: Apache-2.0
#pragma once
// Which connections a low-bit model has: codes -1, 0 and +1 of every layer, head and neuron, and how they change between
// checkpoints.
#include <cstdint>
#include <string>
#include <vector>

#include "analysis/weights/histogram.h"
#include "format/model_directory.h"
#include "model/weight_rows.h"

namespace spectra::analysis {

struct Codes3 {
  int64_t minus = 0, zero = 0, plus = 0;
  int64_t total() const { return minus + zero + plus; }
  double share(int64_t count) const { return static_cast<double>(count) / static_cast<double>(total()); }
};

/// A model whose weights' signs are connections. To open one costs little; the weights are surveyed once, when they are first asked
/// for.
class LowBitModel {
 public:
  /// `directory` must outlive the object.
  LowBitModel(const format::ModelDirectory& directory);  // NOLINT: a model directory is one, or check() says why not
  /// Reads every weight, the first time. Throws Error where the model is neither ternary nor binary, or damaged.
  void check() const;
  const std::vector<model::Parameter>& linears() const { return linears_; }
  const model::Config& config() const { return rows_.config(); }
  std::string path() const { return directory_.path().string(); }
  model::WeightRows::Matrix matrix(size_t i) const { return rows_.matrix(linears_[i]); }

 private:
  const format::ModelDirectory& directory_;
  model::WeightRows rows_;
  std::vector<model::Parameter> linears_;
  mutable bool checked_ = false;
};
/// Throws Error where the linear layers of the two differ in shape. Reads no weights.
void check_same_shapes(const LowBitModel& a, const LowBitModel& b);

struct MatrixConnections {
  std::string name;
  MatrixPlace place;
  Codes3 all;
  /// Heads of q_proj, k_proj, v_proj (rows) and o_proj (columns); neurons of gate_proj, up_proj (rows) and down_proj (columns).
  std::vector<Codes3> parts;
};
/// The connections of all matrices in file order. Throws Error where the model is neither ternary nor binary.
std::vector<MatrixConnections> connections(const LowBitModel& model);

struct Flips {
  std::string name;
  MatrixPlace place;
  int64_t weights = 0, to_zero = 0, from_zero = 0, sign_changes = 0;
};
/// What changed from one model to another of the same shape. Throws Error otherwise.
std::vector<Flips> flips(const LowBitModel& from, const LowBitModel& to);

}  // namespace spectra::analysis
