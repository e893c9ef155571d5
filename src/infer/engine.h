// SPDX-License-Identifier: Apache-2.0
#pragma once
// The forward pass over a batch of tokens of any number of sequences. Results are the same bits whatever else is in the batch,
// however a prompt is cut into calls, and on any number of threads. One thread at a time may use an engine.
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "infer/batch.h"
#include "infer/forward.h"
#include "infer/kv_store.h"
#include "infer/linear.h"
#include "infer/weights.h"
#include "kernels/kernels.h"

namespace spectra::infer {

/// fp32 with fp32 activations, fp16 otherwise.
KvType default_kv_type(ActivationType activations);

struct EngineOptions {
  ActivationType activations = ActivationType::kFp32;
  const kernels::Kernels* kernels = nullptr;  ///< null = kernels::kernels()
  std::optional<KvType> kv_type = {};         ///< default_kv_type(activations)
  uint64_t kv_bytes = 0;  ///< memory for keys and values of all sequences; 0 = one sequence of the whole context
};

class Engine {
 public:
  /// Tokens a caller should put in one call at most: more costs memory and gains nothing.
  static constexpr int64_t kBatchTokens = 512;

  /// Throws Error (exit 3) when int8 activations are asked for a model without packed weights, as KvStore does for kv_bytes.
  explicit Engine(std::shared_ptr<const Model> model, const EngineOptions& options = {});

  const Model& model() const { return *model_; }
  ActivationType activations() const { return activations_; }
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

  KvType kv_type() const { return kv_type_; }

  void set_observer(Observer observer) { observer_ = std::move(observer); }

 private:
  void check(const Batch& batch);
  void claim_pages();
  void find_runs(const Batch& batch);

  std::shared_ptr<const Model> model_;
  ActivationType activations_;
  const kernels::Kernels& kernels_;
  KvType kv_type_;
  Observer observer_;
  KvStore kv_;
  std::map<int32_t, KvSequence> sequences_;
  int32_t next_sequence_ = 0;

  /// Positions of one sequence in a batch.
  struct Span {
    KvSequence* sequence;
    int64_t begin, end;
  };
  std::vector<Span> spans_;  // of the current batch, one a sequence
  ForwardState state_;
};

}  // namespace spectra::infer
