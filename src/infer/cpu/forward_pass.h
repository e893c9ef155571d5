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

/// What linear layers take: rows (N, cols) that all threads can read, through an RMSNorm unless `norm` is empty.
struct LinearInput {
  const float* rows;
  int64_t cols;
  const std::vector<float>& norm;
};

class ForwardPass {
 public:
  ForwardPass(Team& team, CpuForward& forward, const PreparedBatch& batch, const Observer& observer);
  void run(Results& results);

 private:
  void embed();
  void layer(int64_t index);
  void make_rows(const LinearInput& input, const Linear& w);
  bool own_norms() const;
  void show(std::initializer_list<Product> products);
  void multiply(const LinearInput& input, std::initializer_list<Product> products);
  void multiply_together(const LinearInput& input, std::initializer_list<Product> products, const Products::Done& done);
  void prepare_head(float* x, int64_t t, int64_t head, const Linear& w, const std::vector<float>& norm, float scale);
  void store_key_and_value(const Layer& w, HeadCache& cache, int64_t t, int64_t kv_head);
  void attend(HeadCache& cache, const Run& block, int64_t head);
  void attention(int64_t layer);
  void add_to_residual(const LinearInput& input, const Linear& w);
  void gated(const Layer& w);

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
