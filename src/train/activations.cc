// SPDX-License-Identifier: Apache-2.0
#include "train/activations.h"

namespace spectra::train {

Activations::Activations(const model::Config& config, int64_t batch, int64_t time, Precision precision, Recompute recompute,
                         Memory& memory) {
  const int64_t n = batch * time, d = config.hidden, f = config.glu;
  const int64_t qkv = d + 2 * config.kv_dim();
  const auto activation = [&](int64_t rows, int64_t cols) { return memory.tensor(precision.activation, rows, cols); };
  const auto master = [&](int64_t rows, int64_t cols) { return memory.tensor(precision.master, rows, cols); };

  tokens = memory.tensor(DType::kI32, 1, n);
  targets = memory.tensor(DType::kI32, 1, n);
  first_keys = memory.tensor(DType::kI32, 1, n);
  stream.push_back(master(n, d));
  const ops::Tensor h = activation(n, f);
  const auto new_layer = [&] {
    LayerActivations layer;
    layer.attention_norm = activation(n, d);
    layer.attention_rstd = master(1, n);
    layer.qkv = activation(n, qkv);
    layer.attention = activation(n, d);
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
  backward.attention = activation(n, d);
  backward.gate_up = activation(n, 2 * f);
  backward.h = activation(n, f);
}

}  // namespace spectra::train
