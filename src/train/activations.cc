// SPDX-License-Identifier: Apache-2.0
#include "train/activations.h"

namespace spectra::train {

Activations::Activations(const model::Config& config, const Weights& weights, int64_t batch, int64_t time, Precision precision,
                         Recompute recompute, Memory& memory) {
  const int64_t n = batch * time, d = config.hidden, f = config.glu;
  const int64_t qkv = config.qkv_dim();
  const auto activation = [&](int64_t rows, int64_t cols) { return memory.tensor(precision.activation, rows, cols); };
  const auto master = [&](int64_t rows, int64_t cols) { return memory.tensor(precision.master, rows, cols); };

  tokens = memory.tensor(DType::kI32, 1, n);
  targets = memory.tensor(DType::kI32, 1, n);
  first_keys = memory.tensor(DType::kI32, 1, n);
  stream.push_back(master(n, d));
  const auto prepared = [&](const Projection& projection) {
    Prepared all;
    for (const InputStep& step : projection.steps)
      all.push_back({activation(n, projection.linear.weight.codes.cols), step.rounds ? ops::Tensor() : master(1, n)});
    return all;
  };
  const LayerWeights& shape = weights.layers[0];  // every layer has the same
  const ops::Tensor h = activation(n, f);
  const Prepared down_inputs = prepared(shape.down);
  const auto new_layer = [&] {
    LayerActivations layer;
    for (const Projection& one : shape.qkv) layer.qkv_inputs.push_back(prepared(one));
    for (const Projection& one : shape.gate_up) layer.gate_up_inputs.push_back(prepared(one));
    layer.o_inputs = prepared(shape.o);
    layer.down_inputs = down_inputs;
    for (const HeadNorm& one : shape.head_norms) layer.head_rstd.push_back(master(one.heads, n));
    layer.attention_norm = activation(n, d);
    layer.attention_rstd = master(1, n);
    layer.qkv = activation(n, qkv);
    const int64_t qk = config.q_dim() + config.kv_dim();
    layer.qk = shape.head_norms.empty() ? layer.qkv.col_range(0, qk) : activation(n, qk);
    layer.attention = activation(n, config.q_dim());
    layer.lse = master(batch * config.heads, time);
    layer.mlp_norm = activation(n, d);
    layer.mlp_rstd = master(1, n);
    layer.gate_up = activation(n, 2 * f);
    layer.h = h;
    return layer;
  };
  for (int64_t l = 0; l < config.layers; ++l) {
    layers.push_back(l == 0 || recompute == Recompute::kNone ? new_layer() : layers[0]);
    stream.push_back(l == 0 || recompute != Recompute::kFull ? master(n, d) : stream[1]);
    stream.push_back(master(n, d));
  }
  final_norm = activation(n, d);
  final_rstd = master(1, n);

  backward.stream = master(n, d);
  backward.rounded = activation(n, d);
  backward.norm = activation(n, d);
  backward.qkv = activation(n, qkv);
  if (shape.qkv.size() > 1) backward.more = activation(n, d);
  backward.attention = activation(n, config.q_dim());
  backward.gate_up = activation(n, 2 * f);
  backward.h = activation(n, f);
}

}  // namespace spectra::train
