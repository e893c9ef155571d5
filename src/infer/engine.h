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

#include "infer/activation_type.h"
#include "infer/batch.h"
#include "infer/forward.h"
#include "infer/kv_pages.h"
#include "infer/kv_type.h"
#include "infer/results.h"
#include "infer/weights.h"
#include "kernels/kernels.h"

namespace spectra::infer {

/// int8 where the model is packed, fp32 otherwise.
ActivationType default_activations(const Model& model);

struct EngineOptions {
  std::optional<ActivationType> activations = ActivationType::kFp32;  ///< nothing: default_activations(model)
  const kernels::Kernels* kernels = nullptr;                          ///< null = kernels::kernels()
  std::optional<KvType> kv_type = {};                                 ///< nothing: default_kv_type(activations)
  uint64_t kv_bytes = 0;  ///< memory for keys and values of all sequences; 0 = one sequence of the whole context
};

/// `options` with the choices that they leave open made for `model`: activations and kv_type.
EngineOptions with_defaults(EngineOptions options, const Model& model);

class Engine {
 public:
  /// Tokens a caller should put in one call at most: more costs memory and gains nothing.
  static constexpr int64_t kBatchTokens = 512;

  /// Throws Error (exit 3) when int8 activations are asked for a model without packed weights, (exit 5) where kv_bytes are less
  /// than a page or more than can be had.
  explicit Engine(std::shared_ptr<const Model> model, const EngineOptions& options = {});

  const Model& model() const { return *model_; }
  ActivationType activations() const { return activations_; }
  int64_t context() const { return model_->config.max_position; }

  int32_t open_sequence();
  /// A sequence that begins with the first `length` positions of another one, whose pages it shares.
  int32_t open_sequence(int32_t prefix_of, int64_t length);
  /// A sequence of `length` positions in pages that another one filled and KvPages::keep() kept.
  int32_t open_sequence(std::span<const int32_t> pages, int64_t length);
  void close_sequence(int32_t id);

  /// Throws KvFull, having changed nothing, where the batch needs more pages than kv().free_pages(). The results stand until the
  /// next call.
  const Results& forward(const Batch& batch);

  const KvSequence& sequence(int32_t id) const { return sequences_.at(id); }
  /// Pages of all sequences.
  KvPages& kv() { return kv_; }
  const KvPages& kv() const { return kv_; }
  int64_t kv_page_bytes() const { return forward_->page_bytes(); }
  KvType kv_type() const { return kv_type_; }

  void set_observer(Observer observer) { observer_ = std::move(observer); }

 private:
  void check(const Batch& batch);
  void claim_pages();
  void prepare(const Batch& batch);

  std::shared_ptr<const Model> model_;
  ActivationType activations_;
  KvType kv_type_;
  Observer observer_;
  std::unique_ptr<Forward> forward_;
  KvPages kv_;
  std::map<int32_t, KvSequence> sequences_;
  int32_t next_sequence_ = 0;

  /// Positions of one sequence in a batch.
  struct Span {
    KvSequence* sequence;
    int64_t begin, end;
  };
  // Of the current batch, kept so that a step allocates nothing.
  std::vector<Span> spans_;  // one a sequence, as the page tables
  PreparedBatch prepared_;
  Results results_;
};

}  // namespace spectra::infer
