// SPDX-License-Identifier: Apache-2.0
#pragma once
// The forward pass over a batch of tokens of any number of sequences. Results are the same bits whatever else is in the batch,
// however a prompt is cut into calls, and on any number of threads. One thread at a time may use an engine.
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <vector>

#include "infer/kv_store.h"
#include "infer/linear.h"
#include "infer/weights.h"
#include "kernels/kernels.h"

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
  std::vector<int32_t> logits_at;  ///< rows whose logits are wanted
  std::vector<Target> targets;     ///< any number a row

  void add(int32_t token, int32_t position, int32_t sequence) {
    tokens.push_back(token);
    positions.push_back(position);
    sequences.push_back(sequence);
  }
};

struct TargetScore {
  float logprob;  ///< ln p(token), softmax over all V rows of the head, padding included
  bool top;       ///< no other token has a larger logit (among equals the smallest id wins)
};

struct Output {
  std::vector<float> logits;        ///< (logits_at.size(), V)
  std::vector<TargetScore> scores;  ///< (targets.size())
};

struct EngineOptions {
  Activations activations = Activations::kFp32;
  const kernels::Kernels* kernels = nullptr;  ///< null = kernels::kernels()
  KvType kv_type = KvType::kFp32;
  uint64_t kv_bytes = 0;  ///< memory for keys and values of all sequences; 0 = one sequence of the whole context
};

class Engine {
 public:
  /// Tokens a caller should put in one call at most: more costs memory and gains nothing.
  static constexpr int64_t kBatchTokens = 512;

  /// Throws Error (exit 3) when int8 activations are asked for a model without packed weights, as KvStore does for kv_bytes.
  explicit Engine(std::shared_ptr<const Model> model, const EngineOptions& options = {});

  const Model& model() const { return *model_; }
  Activations activations() const { return activations_; }
  int64_t context() const { return model_->config.max_position; }

  int32_t open_sequence();
  /// A sequence that begins with the first `length` positions of another one, whose pages it shares.
  int32_t open_sequence(int32_t prefix_of, int64_t length);
  /// A sequence of `length` positions in pages that another one filled and KvStore::keep() kept.
  int32_t open_sequence(std::span<const int32_t> pages, int64_t length);
  void close_sequence(int32_t id);

  /// Throws KvFull, having changed nothing, where the batch needs more pages than kv().free_pages().
  Output forward(const Batch& batch);

  const KvSequence& sequence(int32_t id) const { return sequences_.at(id); }
  /// Memory of all sequences.
  KvStore& kv() { return kv_; }
  const KvStore& kv() const { return kv_; }

  /// Sees the input x (count, linear.cols) of every linear layer but the head, before rounding (GPTQ's Hessians). Empty = none.
  using Observer = std::function<void(const Linear& linear, const float* x, int64_t count)>;
  void set_observer(Observer observer) { observer_ = std::move(observer); }

 private:
  void check(const Batch& batch);
  void claim_pages();
  void embed(const Batch& batch);
  void compute_angles(const Batch& batch);
  void transformer_layer(int64_t index, const Batch& batch);
  void rmsnorm(std::vector<float>& y, const std::vector<float>& x, const std::vector<float>& weight);
  void input(const std::vector<float>& x, int64_t cols);
  void apply(std::vector<float>& y, const Linear& linear);
  void rope(std::vector<float>& x, int64_t heads) const;
  void store(int64_t layer, const Batch& batch);
  void attention(int64_t layer, const Batch& batch);
  void swiglu();
  void add_residual();
  Output head(const Batch& batch);
  void head_rows(const Batch& batch, const std::vector<int32_t>& rows, Output& output);

  std::shared_ptr<const Model> model_;
  Activations activations_;
  const kernels::Kernels& kernels_;
  Observer observer_;
  KvStore kv_;
  std::map<int32_t, KvSequence> sequences_;
  int32_t next_sequence_ = 0;

  /// Positions of one sequence in a batch.
  struct Span {
    KvSequence* sequence;
    int64_t begin, end;
  };

  // Of the current batch, N tokens. Kept between calls, so that a step allocates nothing.
  int64_t count_ = 0;
  std::vector<KvSequence*> row_sequences_;  // (N)
  std::vector<Span> spans_;                 // one a sequence
  std::vector<float> cos_, sin_;            // (N, E/2)
  std::vector<float> residual_, normed_;    // (N, D): the residual stream, and it normed
  std::vector<float> queries_, attended_;   // (N, H E)
  std::vector<float> keys_, values_;        // (N, K E)
  std::vector<float> gate_, up_, hidden_;   // (N, F)
  std::vector<float> update_;               // (N, D): what a block adds to the residual stream
  std::vector<float> logits_;               // (rows of a chunk, V)
  Rows rows_;                               // input of the next linear layers
};

}  // namespace spectra::infer
