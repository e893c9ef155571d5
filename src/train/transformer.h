// SPDX-License-Identifier: Apache-2.0
#pragma once
// One training step's forward and backward pass of the model, written against ops::Backend only: no precision, no device here.
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "model/config.h"
#include "ops/backend.h"

namespace spectra::train {

/// A trained parameter and everything the optimizer keeps for it; all in master precision, shapes of `info`. Where another rank
/// owns the parameter its moments have no data, and its weight only where the forward pass reads it (embedding and norms).
struct TrainedParameter {
  model::Parameter info;
  ops::Tensor weight, gradient, moment1, moment2;
  ops::Tensor scales;  ///< (1, S): γ or α of the last quantize(); empty for embedding, head, norms, float family
  ops::Tensor stats;   ///< (1, 2) i64: see Backend::quantize_weight; empty where scales are; the owner's only
  size_t block = 0;
  bool owned = true;
  bool decayed() const { return !info.vector(); }
};

/// What of the forward pass is kept for the backward pass; the rest is computed again there, from the same inputs by the same ops,
/// so the gradients are the same bits.
enum class Recompute : uint8_t {
  kNone,       ///< everything is kept but the output of the gated unit, which costs a twentieth of the memory and next to no time
  kSelective,  ///< the residual stream before each norm; attention and MLP blocks are computed again, without o and down
  kFull        ///< the residual stream before each layer; the layer is computed again, without down
};
/// "none", "selective" or "full".
Recompute recompute_from_name(const std::string& name);
/// Consecutive parameters whose gradients become complete together, in the backward pass: the embedding; of each layer the
/// attention block and the MLP block, each with its norm; final norm and head.
struct Block {
  size_t first = 0, count = 0;      ///< parameters
  int owner = 0;                    ///< rank that updates them
  ops::Tensor gradient;             ///< (1, n) master: the gradients of all of them
  std::vector<ops::Tensor> shared;  ///< what the owner's update changes and every rank's forward and backward pass read
};

/// Which rank of how many.
struct Place {
  int rank = 0, ranks = 1;
};

/// What a rank keeps of all parameters, in fp32.
struct ParameterBytes {
  uint64_t masters = 0, gradients = 0, moments = 0;
};
ParameterBytes parameter_bytes(const model::Config& config, Place place);

class Transformer {
 public:
  /// Allocates parameters, gradients, moments and the activations of one micro-batch of `batch` x `time` tokens.
  Transformer(ops::Backend& backend, const model::Config& config, int64_t batch, int64_t time,
              Recompute recompute = Recompute::kNone, Place place = {});
  ~Transformer();

  /// N(0, 0.02²) for matrices, 1 for norms; a pure function of seed and parameter name, the same for every family.
  void initialize(uint64_t seed);
  std::vector<TrainedParameter>& parameters();
  const std::vector<Block>& blocks() const;
  /// Recomputes GEMM weights (codes and scales) of the owned blocks from the master weights. Call after every change of the
  /// weights.
  void quantize();
  void quantize(size_t block);
  /// Of each parameter's last quantize(), on the host; zeros where it has no stats. Waits for what is queued.
  std::vector<ops::QuantizeStats> quantize_stats() const;

  /// Adds to gradients() the gradient of scale * (sum of losses) and returns nothing to the host: see loss().
  /// `tokens` and `targets`: batch * time each, row by row; target -1 = not scored. `first_keys`: for each token the first position
  /// (0 to its own) of its sequence that it may attend to, as where its document begins; empty = all 0. Positions are not
  /// restarted: RoPE only sees their differences.
  /// `on_block`: called with each block's number as soon as its gradients hold this micro-batch, last block first.
  void forward_backward(std::span<const int32_t> tokens, std::span<const int32_t> targets, float scale,
                        std::span<const int32_t> first_keys = {}, const std::function<void(size_t)>& on_block = nullptr);
  /// Forward only; adds to loss(). `logprobs`: batch * time values of log p(target), or empty.
  void evaluate(std::span<const int32_t> tokens, std::span<const int32_t> targets, std::span<float> logprobs = {},
                std::span<const int32_t> first_keys = {});
  /// Sum of losses (nats) since reset_loss(). Waits for what is queued.
  double loss();
  /// Tokens that were scored since reset_loss(): those with a target.
  int64_t scored() const;
  void reset_loss();

  int64_t batch() const;
  int64_t time() const;
  const model::Config& config() const;
  /// Bytes a Transformer of this shape allocates: parameters and optimizer, activations. For the preflight check.
  static uint64_t memory_needed(const model::Config& config, int64_t batch, int64_t time, size_t activation_bytes,
                                Recompute recompute = Recompute::kNone, Place place = {});

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace spectra::train
