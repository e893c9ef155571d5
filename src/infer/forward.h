// SPDX-License-Identifier: Apache-2.0
#pragma once
// One thread's way through the model: the steps of a forward pass, which a team of threads takes together. Between two steps that
// exchange data lies a barrier; a step's comment says what it leaves unfinished.
#include <exception>
#include <functional>
#include <vector>

#include "infer/attention.h"
#include "infer/batch.h"
#include "infer/linear.h"

namespace spectra::infer {

/// Sees the input x (count, linear.cols) of every linear layer but the head, before rounding (GPTQ's Hessians).
using Observer = std::function<void(const Linear& linear, const float* x, int64_t count)>;

/// Successive rows of a batch that are successive positions of one sequence, at most QueryBlock::kMost.
struct Run {
  const KvSequence* sequence;
  int64_t row, position, count;
};

/// What the threads share; kept between calls, so that a step allocates nothing. N tokens, R rows of a chunk of logits.
struct ForwardState {
  int64_t count = 0;                         ///< N
  std::vector<const KvSequence*> sequences;  ///< (N)
  std::vector<Run> runs;
  bool one_each = false;                    ///< one row a sequence, as in decoding
  std::vector<float> cos, sin;              ///< (N, E/2)
  std::vector<float> residual, normed;      ///< (N, D): the residual stream, and it normed
  std::vector<float> queries, attended;     ///< (N, H E)
  std::vector<float> keys, values;          ///< (N, K E)
  std::vector<float> gate, up;              ///< (N, F); gate becomes their product
  std::vector<float> update;                ///< (N, D): what a block adds to the residual stream
  std::vector<int32_t> wanted;              ///< rows of the batch whose logits somebody wants, ascending
  std::vector<float> logits, log_sums;      ///< (R, V), (R)
  std::vector<std::vector<float>> scratch;  ///< one a thread: attention's
  LinearBuffers linear;
  std::exception_ptr failure;  ///< what the observer threw

  /// For `batch`, whose positions end below `longest`.
  void reserve(const Model& model, ActivationType activations, int64_t tokens, int64_t longest, int threads);
};

class ForwardPass {
 public:
  ForwardPass(Team& team, const Model& model, const Batch& batch, ForwardState& state, KvStore& kv, KvType kv_type,
              ActivationType activations, const kernels::Kernels& kernels, const Observer& observer);
  void run(Output& output);

 private:
  void embed();
  void layer(int64_t index);
  const float* rmsnorm(const std::vector<float>& x, const std::vector<float>& weight, int64_t rows);
  void show(std::initializer_list<const Linear*> layers);
  void store_key_and_value(HeadCache& cache, int64_t t, int64_t kv_head);
  void attend(HeadCache& cache, const Run& run, int64_t head);
  void attention(int64_t layer);
  void add_to_residual(const Linear& w);
  void swiglu(const Linear& gate, const Linear& up);
  void head(Output& output);
  void head_rows(size_t begin, size_t end, Output& output);
  void report(size_t begin, size_t end, Output& output);

  Team& team_;
  const Model& model_;
  const model::Config& config_;
  const Batch& batch_;
  ForwardState& s_;
  KvStore& kv_;
  KvType kv_type_;
  const kernels::Kernels& kernels_;
  const Observer& observer_;
  Rows rows_;
};

}  // namespace spectra::infer
