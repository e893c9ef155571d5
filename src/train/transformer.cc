// SPDX-License-Identifier: Apache-2.0
#include "train/transformer.h"

#include <algorithm>
#include <string>

#include "model/initial.h"
#include "model/rope.h"
#include "train/activations.h"
#include "train/loss.h"
#include "train/weights.h"

namespace spectra::train {

using ops::Tensor;

namespace {

ops::Gate gate_of(model::Activation activation) {
  switch (activation) {
    case model::Activation::kRelu2:
      return ops::Gate::kRelu2;
    case model::Activation::kGelu:
      return ops::Gate::kGelu;
    default:
      return ops::Gate::kSilu;
  }
}

/// What a linear layer reads: the last of its steps, or x where it has none.
const Tensor& input_of(const Prepared& steps, const Tensor& x) { return steps.empty() ? x : steps.back().out; }

/// The columns of `qkv` that a head norm is of.
Tensor heads_of(const HeadNorm& norm, const Tensor& qkv) {
  const int64_t width = norm.norm.weight.cols;
  return qkv.col_range(norm.first_head * width, norm.heads * width);
}

}  // namespace

struct Transformer::Impl {
  Impl(ops::Backend& backend_, const model::Config& config_, int64_t batch_, int64_t time_, Recompute recompute_, Place place)
      : backend(backend_),
        config(config_),
        batch(batch_),
        time(time_),
        rotation{model::rope_frequencies(config).inverse, model::rope_frequencies(config).attention_factor},
        gate(gate_of(config.activation)),
        recompute(recompute_),
        memory(&backend_),
        weights(config, {backend_.activation(), backend_.master()}, place, memory),
        acts(config, weights, batch, time, {backend_.activation(), backend_.master()}, recompute, memory),
        loss(config, tokens_per_batch(), {backend_.activation(), backend_.master()}, memory) {}

  void load(std::span<const int32_t> tokens, std::span<const int32_t> targets, std::span<const int32_t> first_keys);
  void forward();
  void forward_layer(size_t l);
  void attention_block(size_t l, const Tensor& residual);
  void mlp_block(size_t l, const Tensor& residual);
  void gated(size_t l);
  void qkv_forward(const LayerWeights& w, const LayerActivations& a);
  void qkv_backward(const LayerWeights& w, const LayerActivations& a);
  Tensor prepare(const Projection& p, const Prepared& steps, Tensor x);
  void prepare_backward(const Projection& p, const Prepared& steps, const Tensor& d, const Tensor& x);
  void project(const Tensor& y, const Tensor& x, const std::vector<Projection>& all, const std::vector<Prepared>& steps);
  void project_backward(const Tensor& dx, const Tensor& dy, const Tensor& x, const std::vector<Projection>& all,
                        const std::vector<Prepared>& steps);
  void output_backward(const Tensor& dx, const Projection& p, const Prepared& steps, const Tensor& x);
  void backward();
  void backward_layer(size_t l);
  void block_done(size_t block) const;
  Loss::Inputs loss_inputs() const { return {weights.head, acts.final_norm, acts.targets}; }
  ops::AttentionShape shape() const {
    const int32_t* first_keys = masked ? acts.first_keys.as<int32_t>() : nullptr;
    const ops::MaskKind kind = config.window > 0 ? ops::MaskKind::kWindow : ops::MaskKind::kCausal;
    return ops::self_attention(batch, time, config.heads, config.kv_heads, config.head_dim(), {kind, config.window, first_keys});
  }
  /// q and k in `qk`: their heads lie side by side.
  void rope(const Tensor& qk, bool inverse) {
    const int64_t heads = config.heads + config.kv_heads;
    backend.rope(qk.col_range(0, heads * config.head_dim()), heads, time, rotation, inverse);
  }
  /// What attention reads: q and k from `qk`, v from `qkv`.
  ops::Qkv operands(const Tensor& qk, const Tensor& qkv) const {
    const int64_t q = config.q_dim(), k = config.kv_dim();
    return {qk.col_range(0, q), qk.col_range(q, k), qkv.col_range(q + k, k)};
  }
  int64_t tokens_per_batch() const { return batch * time; }

  ops::Backend& backend;
  const model::Config config;
  const int64_t batch, time;
  const ops::Rotation rotation;
  const ops::Gate gate;
  const Recompute recompute;
  Memory memory;
  Weights weights;
  Activations acts;
  Loss loss;
  int64_t scored = 0;   ///< targets that were not -1 since reset_loss()
  bool masked = false;  ///< the batch at hand has first_keys
  std::function<void(size_t)> on_block;
};

/// Copies one micro-batch to the device. Throws Error for a token that the embedding has no row for.
void Transformer::Impl::load(std::span<const int32_t> tokens, std::span<const int32_t> targets,
                             std::span<const int32_t> first_keys) {
  const size_t n = static_cast<size_t>(tokens_per_batch());
  SPECTRA_CHECK(tokens.size() == n && targets.size() == n, "{} tokens, {} targets, {} wanted", tokens.size(), targets.size(), n);
  for (size_t i = 0; i < n; ++i) {
    const bool known = tokens[i] >= 0 && tokens[i] < config.vocab && targets[i] < config.vocab;
    if (known) continue;
    throw bad_input(fmt::format("token {} with target {} at place {} of a batch; the model's vocabulary has {}", tokens[i],
                                targets[i], i, config.vocab),
                    "prepare the data with the model's tokenizer");
  }
  scored += std::count_if(targets.begin(), targets.end(), [](int32_t target) { return target >= 0; });
  backend.copy_in_tokens(acts.tokens, tokens.data());
  backend.copy_in_tokens(acts.targets, targets.data());
  masked = !first_keys.empty();
  if (!masked) return;
  SPECTRA_CHECK(first_keys.size() == n, "{} first keys for {} tokens", first_keys.size(), n);
  for (size_t i = 0; i < n; ++i) {
    const int64_t position = static_cast<int64_t>(i) % time;
    SPECTRA_CHECK(first_keys[i] >= 0 && first_keys[i] <= position, "position {} first sees {}", position, first_keys[i]);
  }
  backend.copy_in_tokens(acts.first_keys, first_keys.data());
}

void Transformer::Impl::forward() {
  backend.embedding(acts.stream[0], acts.tokens.as<int32_t>(), weights.embedding.weight);
  for (size_t l = 0; l < weights.layers.size(); ++l) forward_layer(l);
  const size_t last = acts.stream.size() - 1;
  backend.rmsnorm(acts.final_norm, acts.final_rstd, acts.stream[last], acts.stream[last - 1], weights.final_norm.weight,
                  config.norm_eps);
}

/// Paper 1.2: x += o(attention(norm(x))), x += down(glu(norm(x))). Each sum is done by the norm that reads it.
void Transformer::Impl::forward_layer(size_t l) {
  const LayerWeights& w = weights.layers[l];
  const LayerActivations& a = acts.layers[l];
  const Tensor& in = acts.stream[2 * l];
  const Tensor& middle = acts.stream[2 * l + 1];
  const Tensor& out = acts.stream[2 * l + 2];
  const Tensor before = l == 0 ? Tensor() : acts.stream[2 * l - 1];

  attention_block(l, before);
  backend.linear(middle, input_of(a.o_inputs, a.attention), w.o.linear.weight);
  mlp_block(l, in);
  backend.linear(out, input_of(a.down_inputs, a.h), w.down.linear.weight);
}

/// attention(norm(x)), x += residual first. When computed again, the stream holds the sum already: no residual then.
void Transformer::Impl::attention_block(size_t l, const Tensor& residual) {
  const LayerWeights& w = weights.layers[l];
  const LayerActivations& a = acts.layers[l];
  backend.rmsnorm(a.attention_norm, a.attention_rstd, acts.stream[2 * l], residual, w.attention_norm.weight, config.norm_eps);
  qkv_forward(w, a);
  backend.attention(a.attention, a.lse, operands(a.qk, a.qkv), shape());
  prepare(w.o, a.o_inputs, a.attention);
}

/// q, k and v with their biases; q and k with the norms of their heads, then turned.
void Transformer::Impl::qkv_forward(const LayerWeights& w, const LayerActivations& a) {
  project(a.qkv, a.attention_norm, w.qkv, a.qkv_inputs);
  int64_t column = 0;
  for (const Stacked& bias : w.biases) {
    backend.add_bias(a.qkv.col_range(column, bias.weight.cols), bias.weight);
    column += bias.weight.cols;
  }
  for (size_t i = 0; i < w.head_norms.size(); ++i)
    backend.group_norm(heads_of(w.head_norms[i], a.qk), a.head_rstd[i], heads_of(w.head_norms[i], a.qkv),
                       w.head_norms[i].norm.weight, config.norm_eps);
  rope(a.qk, false);
}

/// qkv_forward in reverse, of the gradient in backward.qkv up to that of the output of the norm.
void Transformer::Impl::qkv_backward(const LayerWeights& w, const LayerActivations& a) {
  const BackwardActivations& d = acts.backward;
  rope(d.qkv, true);
  for (size_t i = 0; i < w.head_norms.size(); ++i) {
    const Tensor heads = heads_of(w.head_norms[i], d.qkv);
    backend.group_norm_backward(heads, w.head_norms[i].norm.gradient, heads, heads_of(w.head_norms[i], a.qkv), a.head_rstd[i],
                                w.head_norms[i].norm.weight);
  }
  int64_t column = 0;
  for (const Stacked& bias : w.biases) {
    backend.add_bias_backward(bias.gradient, d.qkv.col_range(column, bias.weight.cols));
    column += bias.weight.cols;
  }
  project_backward(d.norm, d.qkv, a.attention_norm, w.qkv, a.qkv_inputs);
}

/// x through the steps before a linear layer. Returns what the layer reads.
Tensor Transformer::Impl::prepare(const Projection& p, const Prepared& steps, Tensor x) {
  for (size_t i = 0; i < steps.size(); ++i) {
    if (p.steps[i].rounds)
      backend.round_int8(steps[i].out, x);
    else
      backend.group_norm(steps[i].out, steps[i].rstd, x, p.steps[i].norm.weight, config.norm_eps);
    x = steps[i].out;
  }
  return x;
}

/// prepare in reverse: `d`, the gradient of what the layer reads, becomes that of x. Rounding lets it pass.
void Transformer::Impl::prepare_backward(const Projection& p, const Prepared& steps, const Tensor& d, const Tensor& x) {
  for (size_t i = steps.size(); i-- > 0;) {
    const Stacked& norm = p.steps[i].norm;
    if (!p.steps[i].rounds)
      backend.group_norm_backward(d, norm.gradient, d, i == 0 ? x : steps[i - 1].out, steps[i].rstd, norm.weight);
  }
}

/// Linear layers that read the same x, side by side in y.
void Transformer::Impl::project(const Tensor& y, const Tensor& x, const std::vector<Projection>& all,
                                const std::vector<Prepared>& steps) {
  int64_t column = 0;
  for (size_t i = 0; i < all.size(); ++i) {
    const ops::QuantizedWeight& weight = all[i].linear.weight;
    backend.linear(y.col_range(column, weight.codes.rows), prepare(all[i], steps[i], x), weight);
    column += weight.codes.rows;
  }
}

void Transformer::Impl::project_backward(const Tensor& dx, const Tensor& dy, const Tensor& x, const std::vector<Projection>& all,
                                         const std::vector<Prepared>& steps) {
  int64_t column = 0;
  for (size_t i = 0; i < all.size(); ++i) {
    const Linear& linear = all[i].linear;
    const Tensor part = dy.col_range(column, linear.weight.codes.rows), to = i == 0 ? dx : acts.backward.more;
    backend.linear_dw(linear.gradient, part, input_of(steps[i], x));
    backend.linear_dx(to, part, linear.weight);
    prepare_backward(all[i], steps[i], to, x);
    if (i > 0) backend.add(dx, to);
    column += linear.weight.codes.rows;
  }
}

/// The gradient of x, which o or down read, from that of the residual stream.
void Transformer::Impl::output_backward(const Tensor& dx, const Projection& p, const Prepared& steps, const Tensor& x) {
  const Tensor& rounded = acts.backward.rounded;
  backend.copy(rounded, acts.backward.stream);
  backend.linear_dw(p.linear.gradient, rounded, input_of(steps, x));
  backend.linear_dx(dx, rounded, p.linear.weight);
  prepare_backward(p, steps, dx, x);
}

/// glu(norm(x)), x += residual first.
void Transformer::Impl::mlp_block(size_t l, const Tensor& residual) {
  const LayerWeights& w = weights.layers[l];
  const LayerActivations& a = acts.layers[l];
  backend.rmsnorm(a.mlp_norm, a.mlp_rstd, acts.stream[2 * l + 1], residual, w.mlp_norm.weight, config.norm_eps);
  project(a.gate_up, a.mlp_norm, w.gate_up, a.gate_up_inputs);
  gated(l);
}

/// What down reads, from gate and up.
void Transformer::Impl::gated(size_t l) {
  const LayerActivations& a = acts.layers[l];
  backend.glu(a.h, a.gate_up, gate);
  prepare(weights.layers[l].down, a.down_inputs, a.h);
}

void Transformer::Impl::backward() {
  const BackwardActivations& d = acts.backward;
  backend.zero(d.stream);
  backend.rmsnorm_backward(d.stream, weights.final_norm.gradient, d.norm, acts.stream.back(), acts.final_rstd,
                           weights.final_norm.weight);
  block_done(weights.blocks.size() - 1);
  for (size_t l = weights.layers.size(); l-- > 0;) backward_layer(l);
  backend.embedding_backward(weights.embedding.gradient, acts.tokens.as<int32_t>(), d.stream);
  block_done(0);
}

void Transformer::Impl::block_done(size_t block) const {
  if (on_block) on_block(block);
}

/// forward_layer in reverse. d.stream holds the gradient of the layer's output and ends as that of its input: a residual
/// branch adds its own part to it.
void Transformer::Impl::backward_layer(size_t l) {
  const LayerWeights& w = weights.layers[l];
  const LayerActivations& a = acts.layers[l];
  const BackwardActivations& d = acts.backward;

  if (recompute == Recompute::kFull) {
    attention_block(l, Tensor());
    backend.linear(acts.stream[2 * l + 1], input_of(a.o_inputs, a.attention), w.o.linear.weight);
    mlp_block(l, acts.stream[2 * l]);
  }
  if (recompute == Recompute::kSelective) mlp_block(l, Tensor());
  if (recompute == Recompute::kNone && l + 1 < weights.layers.size()) gated(l);
  output_backward(d.h, w.down, a.down_inputs, a.h);
  backend.glu_backward(d.gate_up, d.h, a.gate_up, gate);
  project_backward(d.norm, d.gate_up, a.mlp_norm, w.gate_up, a.gate_up_inputs);
  backend.rmsnorm_backward(d.stream, w.mlp_norm.gradient, d.norm, acts.stream[2 * l + 1], a.mlp_rstd, w.mlp_norm.weight);
  block_done(2 * l + 2);

  if (recompute == Recompute::kSelective) attention_block(l, Tensor());
  output_backward(d.attention, w.o, a.o_inputs, a.attention);
  backend.attention_backward(operands(d.qkv, d.qkv), d.attention, a.attention, a.lse, operands(a.qk, a.qkv), shape());
  qkv_backward(w, a);
  backend.rmsnorm_backward(d.stream, w.attention_norm.gradient, d.norm, acts.stream[2 * l], a.attention_rstd,
                           w.attention_norm.weight);
  block_done(2 * l + 1);
}

Recompute recompute_from_name(const std::string& name) {
  if (name == "none") return Recompute::kNone;
  if (name == "selective") return Recompute::kSelective;
  if (name == "full") return Recompute::kFull;
  throw bad_input(fmt::format("unknown kind of recomputation \"{}\"", name), "use none, selective or full");
}

Transformer::Transformer(ops::Backend& backend, const model::Config& config, int64_t batch, int64_t time, Recompute recompute,
                         Place place) {
  model::validate(config);
  SPECTRA_CHECK(batch > 0 && time > 0, "batch {}, time {}", batch, time);
  impl_ = std::make_unique<Impl>(backend, config, batch, time, recompute, place);
}

Transformer::~Transformer() = default;

void Transformer::initialize(uint64_t seed) {
  std::vector<float> values;
  for (TrainedParameter& parameter : impl_->weights.parameters) {
    if (parameter.weight.data == nullptr) continue;
    values.resize(static_cast<size_t>(parameter.weight.size()));
    model::initial_values(parameter.info, seed, 0, parameter.weight.size(), values.data());
    impl_->backend.copy_in(parameter.weight, values.data());
  }
}

std::vector<TrainedParameter>& Transformer::parameters() { return impl_->weights.parameters; }
const std::vector<Block>& Transformer::blocks() const { return impl_->weights.blocks; }
void Transformer::quantize(size_t block) { impl_->weights.quantize(impl_->backend, block); }
void Transformer::quantize() {
  for (size_t block = 0; block < blocks().size(); ++block)
    if (parameters()[blocks()[block].first].owned) quantize(block);
}

std::vector<ops::QuantizeStats> Transformer::quantize_stats() const {
  const std::vector<int64_t> rows = impl_->backend.read<int64_t>(impl_->weights.stats);
  std::vector<ops::QuantizeStats> all;
  for (size_t i = 0; i < rows.size(); i += 2) all.push_back({rows[i], rows[i + 1]});
  return all;
}

void Transformer::forward_backward(std::span<const int32_t> tokens, std::span<const int32_t> targets, float scale,
                                   std::span<const int32_t> first_keys, const std::function<void(size_t)>& on_block) {
  Impl& m = *impl_;
  m.on_block = on_block;
  m.load(tokens, targets, first_keys);
  m.forward();
  m.loss.backward(m.backend, m.loss_inputs(), m.acts.backward.norm, scale);
  m.backward();
}

void Transformer::evaluate(std::span<const int32_t> tokens, std::span<const int32_t> targets, std::span<float> logprobs,
                           std::span<const int32_t> first_keys) {
  Impl& m = *impl_;
  m.load(tokens, targets, first_keys);
  m.forward();
  m.loss.evaluate(m.backend, m.loss_inputs());
  if (logprobs.empty()) return;
  SPECTRA_CHECK(logprobs.size() == tokens.size(), "{} log-probabilities for {} tokens", logprobs.size(), tokens.size());
  m.backend.copy_out(logprobs.data(), m.loss.log_probabilities());
}

double Transformer::loss() { return impl_->backend.read<double>(impl_->loss.sum())[0]; }
int64_t Transformer::scored() const { return impl_->scored; }
void Transformer::reset_loss() {
  impl_->backend.zero(impl_->loss.sum());
  impl_->scored = 0;
}

int64_t Transformer::batch() const { return impl_->batch; }
int64_t Transformer::time() const { return impl_->time; }
const model::Config& Transformer::config() const { return impl_->config; }

uint64_t Transformer::memory_needed(const model::Config& config, int64_t batch, int64_t time, size_t activation_bytes,
                                    Recompute recompute, Place place) {
  Memory counted(nullptr);
  const Precision precision{activation_bytes == 2 ? DType::kBf16 : DType::kF32, DType::kF32};
  const Weights weights(config, precision, place, counted);
  const Activations activations(config, weights, batch, time, precision, recompute, counted);
  const Loss loss(config, batch * time, precision, counted);
  return counted.bytes();
}

}  // namespace spectra::train
