// SPDX-License-Identifier: Apache-2.0
#include "quantize/stream.h"

#include <algorithm>

#include "base/error.h"
#include "model/rope.h"

namespace spectra::quantize {

using model::Slot;
using ops::Tensor;

namespace {

constexpr int64_t kHeadRows = 512;  // tokens whose logits exist at a time

constexpr Slot kLinears[] = {Slot::kQ, Slot::kK, Slot::kV, Slot::kO, Slot::kGate, Slot::kUp, Slot::kDown};

Tensor as_row(std::vector<float>& values) { return {values.data(), DType::kF32, 1, static_cast<int64_t>(values.size())}; }

}  // namespace

Step step_of(Slot linear) {
  switch (linear) {
    case Slot::kQ:
    case Slot::kK:
    case Slot::kV:
      return Step::kAttention;
    case Slot::kO:
      return Step::kOutput;
    case Slot::kGate:
    case Slot::kUp:
      return Step::kMlp;
    default:
      SPECTRA_CHECK(linear == Slot::kDown, "slot {}", static_cast<int>(linear));
      return Step::kDown;
  }
}

int64_t input_width(const model::Config& config, Step step) {
  if (step == Step::kEnd) return 0;
  if (step == Step::kOutput) return config.heads * config.head_dim();
  return step == Step::kDown ? config.glu : config.hidden;
}

double step_flops(const model::Config& config, Step step, int64_t time) {
  const auto d = static_cast<double>(config.hidden), f = static_cast<double>(config.glu), t = static_cast<double>(time);
  const auto he = static_cast<double>(config.heads * config.head_dim()), ke = static_cast<double>(config.kv_dim());
  switch (step) {
    case Step::kAttention:
      return 0;
    case Step::kOutput:
      return 2 * d * (he + 2 * ke) + 2 * t * he;  // scores and their sums, over half of the keys on average
    case Step::kMlp:
      return 2 * he * d;
    case Step::kDown:
      return 4 * d * f;
    case Step::kEnd:
      return 2 * f * d;
  }
  return 0;
}

Stream::Stream(ops::Backend& backend, const model::Config& config, std::span<const int32_t> tokens, int64_t time,
               const Weights& weights, const fs::path& spill)
    : backend_(backend),
      config_(config),
      rotation_{model::rope_frequencies(config).inverse, model::rope_frequencies(config).attention_factor},
      tokens_(tokens.begin(), tokens.end()),
      time_(time),
      sequences_(static_cast<int64_t>(tokens.size()) / time),
      chunk_sequences_(chunk_sequences(time)),
      hidden_(static_cast<int64_t>(tokens.size()), config.hidden, backend.master(), spill),
      inputs_(static_cast<int64_t>(tokens.size()), std::max(config.heads * config.head_dim(), config.glu), backend.activation(),
              spill),
      qkv_(linear((config.heads + 2 * config.kv_heads) * config.head_dim(), config.hidden)),
      o_(linear(config.hidden, config.heads * config.head_dim())),
      gate_up_(linear(2 * config.glu, config.hidden)),
      down_(linear(config.hidden, config.glu)) {
  std::vector<float> table = weights(model::parameter_name({-1, Slot::kEmbedding}));
  for (int64_t chunk = 0; chunk < chunks(); ++chunk) {
    const Tensor rows = hidden_.rows(first_token(chunk), chunk_tokens(chunk));
    backend_.embedding(rows, tokens_.data() + first_token(chunk), {table.data(), DType::kF32, config_.vocab, config_.hidden});
    hidden_.release(rows);
  }
}

int64_t Stream::chunk_tokens(int64_t chunk) const {
  return std::min(chunk_sequences_, sequences_ - chunk * chunk_sequences_) * time_;
}

Stream::Linear Stream::linear(int64_t rows, int64_t cols) {
  Linear out;
  out.memory = backend_.allocate(static_cast<size_t>(rows * cols) * dtype_size(backend_.activation()));
  out.weight.codes = {out.memory.data(), backend_.activation(), rows, cols};
  return out;
}

Tensor Stream::scratch(ops::Buffer& buffer, DType dtype, int64_t rows, int64_t cols) {
  const size_t bytes = static_cast<size_t>(rows * cols) * dtype_size(dtype);
  if (buffer.size() < bytes) buffer = backend_.allocate(bytes);
  return {buffer.data(), dtype, rows, cols};
}

void Stream::load_block(int64_t index, const Weights& weights) {
  block_ = index;
  attention_norm_ = weights(model::parameter_name({index, Slot::kInputNorm}));
  mlp_norm_ = weights(model::parameter_name({index, Slot::kPostNorm}));
  for (const Slot slot : kLinears) set(slot, weights(model::parameter_name({index, slot})).data());
}

void Stream::set(Slot linear, const float* values) {
  const int64_t he = config_.heads * config_.head_dim(), ke = config_.kv_dim();
  Tensor part;
  if (linear == Slot::kQ) part = qkv_.weight.codes.row_range(0, he);
  if (linear == Slot::kK) part = qkv_.weight.codes.row_range(he, ke);
  if (linear == Slot::kV) part = qkv_.weight.codes.row_range(he + ke, ke);
  if (linear == Slot::kO) part = o_.weight.codes;
  if (linear == Slot::kGate) part = gate_up_.weight.codes.row_range(0, config_.glu);
  if (linear == Slot::kUp) part = gate_up_.weight.codes.row_range(config_.glu, config_.glu);
  if (linear == Slot::kDown) part = down_.weight.codes;
  SPECTRA_CHECK(part.data != nullptr, "slot {}", static_cast<int>(linear));
  backend_.copy_in(part, values);
}

Tensor Stream::norm(const Tensor& hidden, const std::vector<float>& weight) {
  std::vector<float> w = weight;
  const Tensor out = scratch(normed_, backend_.activation(), hidden.rows, hidden.cols);
  const Tensor rstd = scratch(rstd_, backend_.master(), 1, hidden.rows);
  backend_.rmsnorm(out, rstd, hidden, {}, as_row(w), config_.norm_eps);
  return out;
}

Tensor Stream::stored_input(Step step, int64_t chunk) {
  return inputs_.rows(first_token(chunk), chunk_tokens(chunk), input_width(config_, step));
}

Tensor Stream::run(Step step, int64_t chunk) {
  const int64_t n = chunk_tokens(chunk);
  const Tensor hidden = hidden_.rows(first_token(chunk), n);
  const int64_t heads = config_.heads + config_.kv_heads;  // that are rotated: q's and k's lie side by side
  const ops::AttentionShape shape = ops::self_attention(n / time_, time_, config_.heads, config_.kv_heads, config_.head_dim());
  Tensor x;
  switch (step) {
    case Step::kAttention:
      x = norm(hidden, attention_norm_);
      break;
    case Step::kOutput: {
      x = stored_input(step, chunk);
      const Tensor qkv = scratch(qkv_out_, backend_.activation(), n, qkv_.weight.codes.rows);
      backend_.linear(qkv, norm(hidden, attention_norm_), qkv_.weight);
      backend_.rope(qkv.col_range(0, heads * shape.head_dim), heads, time_, rotation_, false);
      backend_.attention(x, scratch(lse_, backend_.master(), shape.batch * shape.heads, time_), ops::split_qkv(qkv, shape), shape);
      break;
    }
    case Step::kMlp: {
      const Tensor attended = stored_input(Step::kOutput, chunk);
      backend_.linear(hidden, attended, o_.weight, true);
      inputs_.release(attended);
      x = norm(hidden, mlp_norm_);
      break;
    }
    case Step::kDown: {
      x = stored_input(step, chunk);
      const Tensor gate_up = scratch(gate_up_out_, backend_.activation(), n, 2 * config_.glu);
      backend_.linear(gate_up, norm(hidden, mlp_norm_), gate_up_.weight);
      backend_.glu(x, gate_up, ops::Gate::kSilu);
      break;
    }
    case Step::kEnd: {
      const Tensor mixed = stored_input(Step::kDown, chunk);
      backend_.linear(hidden, mixed, down_.weight, true);
      inputs_.release(mixed);
      break;
    }
  }
  hidden_.release(hidden);
  return x;
}

double Stream::loss(int64_t sequences, const Weights& weights) {
  std::vector<float> norm_weight = weights(model::parameter_name({-1, Slot::kFinalNorm}));
  Linear head = linear(config_.vocab, config_.hidden);
  backend_.copy_in(head.weight.codes, weights(model::parameter_name({-1, config_.tied ? Slot::kEmbedding : Slot::kHead})).data());
  ops::Buffer logits_memory, loss_memory = backend_.allocate(sizeof(double));
  const Tensor loss(loss_memory.data(), DType::kF64, 1, 1);
  for (int64_t s = 0; s < sequences; ++s) {
    std::vector<int32_t> targets(tokens_.begin() + s * time_ + 1, tokens_.begin() + (s + 1) * time_);
    targets.push_back(-1);  // what follows a sequence is not known
    const Tensor normed = norm(hidden_.rows(s * time_, time_), norm_weight);
    for (int64_t row = 0; row < time_; row += kHeadRows) {
      const int64_t rows = std::min(kHeadRows, time_ - row);
      const Tensor logits = scratch(logits_memory, backend_.master(), rows, config_.vocab);
      backend_.linear(logits, normed.row_range(row, rows), head.weight);
      backend_.cross_entropy(loss, {}, {}, logits, targets.data() + row, 0);
    }
  }
  return backend_.read<double>(loss)[0] / static_cast<double>(sequences * (time_ - 1));
}

uint64_t Stream::stored_bytes(const model::Config& config, int64_t tokens, size_t activation_bytes) {
  const auto hidden = static_cast<uint64_t>(config.hidden) * sizeof(float);
  const auto inputs = static_cast<uint64_t>(std::max(config.heads * config.head_dim(), config.glu)) * activation_bytes;
  return static_cast<uint64_t>(tokens) * (hidden + inputs);
}

uint64_t Stream::working_bytes(const model::Config& config, int64_t time, size_t activation_bytes) {
  const int64_t qkv = (config.heads + 2 * config.kv_heads) * config.head_dim(), he = config.heads * config.head_dim();
  const int64_t weights = qkv * config.hidden + he * config.hidden + 3 * config.glu * config.hidden;
  const int64_t chunk = chunk_sequences(time) * time * (config.hidden + qkv + 2 * config.glu + config.heads);
  return static_cast<uint64_t>(weights + chunk) * activation_bytes;
}

}  // namespace spectra::quantize
