// SPDX-License-Identifier: Apache-2.0
#pragma once
// A model that has every variant of the architecture at once: what training and inference must agree on.
#include "model/config.h"

namespace spectra::test {

/// Head dimension 96 at hidden 512 (4 heads), grouped queries, sub-norms, head norms, squared ReLU, yarn, window 64, tied head.
inline model::Config every_variant() {
  model::Config config;
  config.hidden = 512;
  config.glu = 768;
  config.heads = 4;
  config.kv_heads = 2;
  config.head_size = 96;
  config.layers = 2;
  config.vocab = 256;
  config.max_position = 512;
  config.rope.scaling = model::RopeScaling::kYarn;
  config.rope.factor = 4;
  config.rope.original_positions = 128;
  config.window = 64;
  config.tied = true;
  config.qkv_bias = true;
  config.head_norms = true;
  config.sub_norms = true;
  config.activation = model::Activation::kRelu2;
  return config;
}

/// The same shapes in small, for finite differences: head dimension 6 at hidden 16 (4 heads), window 5.
inline model::Config every_variant_small() {
  model::Config config = every_variant();
  config.hidden = 16;
  config.glu = 20;
  config.head_size = 6;
  config.vocab = 24;
  config.max_position = 64;
  config.rope.original_positions = 16;
  config.window = 5;
  return config;
}

}  // namespace spectra::test
