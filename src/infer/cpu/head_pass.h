// SPDX-License-Identifier: Apache-2.0
#pragma once
// The last part of a forward pass, as one thread of a team takes it: final norm and head for the rows that somebody asked for, and
// the answers.
#include <cstddef>

#include "base/team.h"
#include "infer/cpu/linear.h"
#include "infer/cpu/rounded_rows.h"
#include "infer/cpu/scratch.h"
#include "infer/forward.h"

namespace spectra::infer {

class HeadPass {
 public:
  HeadPass(Team& team, const Model& model, const PreparedBatch& batch, Scratch& scratch, const kernels::Kernels& kernels);
  /// The residual stream is complete. Ends with a barrier.
  void run(Products& products, Results& results);

 private:
  void rows(size_t begin, size_t end, Products& products, Results& results);
  void report(size_t begin, size_t end, Results& results);

  Team& team_;
  const Model& model_;
  const PreparedBatch& batch_;
  const std::vector<float>& residual_;
  HeadScratch& s_;
  const kernels::Kernels& kernels_;
  RoundedRows rows_;
};

}  // namespace spectra::infer
