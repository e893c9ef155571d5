// SPDX-License-Identifier: Apache-2.0
#pragma once
// The classes of transformers whose config.json spectra reads and writes, and what each of them takes for granted.
#include <span>
#include <string>

#include "model/config.h"
#include "model/config_reader.h"

namespace spectra::model {

/// How a class says that a token sees the newest keys only.
enum class WindowKeys : uint8_t {
  kNone,    ///< it has no window
  kAlways,  ///< sliding_window, for all layers
  kSwitch   ///< use_sliding_window, and sliding_window for the layers from max_window_layers on
};

struct HfClass {
  const char* architecture;  ///< "LlamaForCausalLM"
  const char* model_type;    ///< "llama"
  bool qkv_bias, head_norms, sub_norms;
  WindowKeys window;
  Activation activation;    ///< where hidden_act is absent
  int64_t absent_window;    ///< sliding_window where the key is absent
  int64_t absent_head_dim;  ///< 0: hidden / heads
  double absent_norm_eps, absent_theta;
  int64_t absent_positions;
};

/// Spectra's own class: every variant has a key.
extern const HfClass kSpectraClass;

/// The class that a config.json is of, by model_type, else by architectures. Throws Error for any other, and where the two
/// disagree.
const HfClass& hf_class_of(const ConfigReader& read);
/// The first one that computes the same as `config`, else kSpectraClass.
const HfClass& hf_class_for(const Config& config);

}  // namespace spectra::model
