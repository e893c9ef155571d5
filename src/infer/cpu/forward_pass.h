// SPDX-License-Identifier: Apache-2.0
#pragma once
// One thread's way through the model: the steps of a forward pass, which a team of threads takes together. Between two steps that
// exchange data lies a barrier; a step's comment says what it leaves unfinished. How many rows are made and rounded: see
// infer/cpu/rounded_rows.h.
#include <cstdint>
#include <initializer_list>
#include <vector>

#include "base/team.h"
#include "infer/cpu/attention.h"
#include "infer/cpu/forward.h"
#include "infer/cpu/linear.h"
#include "infer/cpu/rounded_rows.h"

namespace spectra::infer {

class ForwardPass {
 public:
  ForwardPass(Team& team, CpuForward& forward, const PreparedBatch& batch, const Observer& observer);
  void run(Results& results);

 private:
  void embed();
  void layer(int64_t index);
  void make_normed(const std::vector<float>& weight);
  void show(std::initializer_list<const Linear*> layers);
  void store_key_and_value(HeadCache& cache, int64_t t, int64_t kv_head);
  void attend(HeadCache& cache, const Run& block, int64_t head);
  void attention(int64_t layer);
  void add_to_residual(const Linear& w);
  void swiglu(const Linear& gate, const Linear& up);

  Team& team_;
  CpuForward& forward_;
  const Model& model_;
  const model::Config& config_;
  const kernels::Kernels& kernels_;
  const PreparedBatch& batch_;
  const Observer& observer_;
  Scratch& s_;
  const int64_t count_;  // N
  RoundedRows rows_;
  Products products_;
};

}  // namespace spectra::infer
