// SPDX-License-Identifier: Apache-2.0
#pragma once
// The residual stream of all calibration sequences on its way through the model, one block at a time. A block is walked in five
// steps, each over all chunks of sequences before the next, so that weights can be replaced between them:
//
//   kAttention  x = norm(h)                       input of q, k, v
//   kOutput     x = attention(rope(qkv(norm(h)))) input of o
//   kMlp        h += o(x), x = norm(h)            input of gate, up
//   kDown       x = glu(gate_up(norm(h)))         input of down
//   kEnd        h += down(x)                      no input
//
// Shapes: N tokens of a chunk, D hidden, H heads, K kv heads, E head dimension, F GLU.
#include <functional>
#include <span>
#include <vector>

#include "model/config.h"
#include "ops/backend.h"
#include "quantize/activation_store.h"

namespace spectra::quantize {

enum class Step : uint8_t { kAttention, kOutput, kMlp, kDown, kEnd };
constexpr Step kSteps[] = {Step::kAttention, Step::kOutput, Step::kMlp, Step::kDown, Step::kEnd};
/// The step whose input a linear layer reads.
Step step_of(model::Slot linear);
/// Columns of the step's x; 0 for kEnd.
int64_t input_width(const model::Config& config, Step step);
/// Floating-point operations of the step for each token of sequences of `time`.
double step_flops(const model::Config& config, Step step, int64_t time);

/// Gives the values of a parameter, row-major, by its full name.
using Weights = std::function<std::vector<float>(const std::string& parameter)>;

class Stream {
 public:
  /// Tokens that go through a layer together: enough for products at full speed.
  static constexpr int64_t kChunkTokens = 4096;

  /// `tokens`: sequences of `time` each. `spill`: see ActivationStore.
  Stream(ops::Backend& backend, const model::Config& config, std::span<const int32_t> tokens, int64_t time, const Weights& weights,
         const fs::path& spill);
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  /// Norms and linear weights of block `index`.
  void load_block(int64_t index, const Weights& weights);
  /// Replaces one linear weight of the current block.
  void set(model::Slot linear, const float* values);

  int64_t chunks() const { return (sequences_ + chunk_sequences_ - 1) / chunk_sequences_; }
  int64_t chunk_tokens(int64_t chunk) const;
  int64_t time() const { return time_; }
  /// One chunk through one step. Returns x (N, input_width), which lives until the next call.
  ops::Tensor run(Step step, int64_t chunk);

  /// Mean loss (nats) over the predictions of the first `sequences` sequences, after the last block.
  double loss(int64_t sequences, const Weights& weights);

  static uint64_t stored_bytes(const model::Config& config, int64_t tokens, size_t activation_bytes);
  static uint64_t working_bytes(const model::Config& config, int64_t time, size_t activation_bytes);

 private:
  struct Linear {
    ops::Buffer memory;
    ops::QuantizedWeight weight;
  };
  Linear linear(int64_t rows, int64_t cols);
  ops::Tensor scratch(ops::Buffer& buffer, DType dtype, int64_t rows, int64_t cols);
  ops::Tensor norm(const ops::Tensor& hidden, const std::vector<float>& weight);
  ops::Tensor stored_input(Step step, int64_t chunk);
  int64_t first_token(int64_t chunk) const { return chunk * chunk_sequences_ * time_; }

  ops::Backend& backend_;
  const model::Config config_;
  const ops::Rotation rotation_;
  const std::vector<int32_t> tokens_;
  const int64_t time_, sequences_, chunk_sequences_;
  ActivationStore hidden_;  // (tokens, D) master
  ActivationStore inputs_;  // (tokens, max(HE, F)) activation: x of kOutput, then of kDown
  int64_t block_ = -1;
  std::vector<float> attention_norm_, mlp_norm_;
  Linear qkv_, o_, gate_up_, down_;
  ops::Buffer normed_, rstd_, qkv_out_, lse_, gate_up_out_;
};

/// Sequences that Stream takes through a layer together.
inline int64_t chunk_sequences(int64_t time) { return time >= Stream::kChunkTokens ? 1 : Stream::kChunkTokens / time; }

}  // namespace spectra::quantize
