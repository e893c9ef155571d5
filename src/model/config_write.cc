// SPDX-License-Identifier: Apache-2.0
// Writing config.json.
#include <map>
#include <nlohmann/json.hpp>
#include <string>

#include "base/error.h"
#include "model/config.h"
#include "model/hf_class.h"
#include "model/rope_json.h"

namespace spectra::model {
namespace {

using nlohmann::ordered_json;

/// The shortest decimal that reads back as `value`: 1e-05, not 9.999999747378752e-06.
double shortest_decimal(float value) { return std::stod(fmt::format("{}", value)); }

ordered_json token_json(int32_t id) { return id < 0 ? ordered_json() : ordered_json(id); }

ordered_json packed_quantization(const std::string& packed_format, const std::map<std::string, ShardAxis>& axes) {
  ordered_json shard_axis;
  for (const Slot slot : {Slot::kQ, Slot::kK, Slot::kV, Slot::kGate, Slot::kUp})
    shard_axis[projection_name(slot)] = lowbit::shard_axis_name(ShardAxis::kRows);
  for (const Slot slot : {Slot::kO, Slot::kDown}) shard_axis[projection_name(slot)] = lowbit::shard_axis_name(ShardAxis::kColumns);
  for (const auto& axis : axes) shard_axis[axis.first] = lowbit::shard_axis_name(axis.second);
  return {{"quant_method", "spectra"}, {"format", packed_format}, {"shard_axis", shard_axis}};
}

void put_window(const Config& config, const HfClass& of, ordered_json& document) {
  const ordered_json window = config.window == 0 ? ordered_json() : ordered_json(config.window);
  if (of.window == WindowKeys::kAlways) document["sliding_window"] = window;
  if (of.window != WindowKeys::kSwitch) return;
  document["use_sliding_window"] = config.window != 0;
  document["sliding_window"] = window;
  document["max_window_layers"] = config.window != 0 ? 0 : config.layers;
}

void put_own_keys(const Config& config, ordered_json& document) {
  document["qkv_bias"] = config.qkv_bias;
  document["head_norms"] = config.head_norms;
  document["sub_norms"] = config.sub_norms;
  document["linear_norms"] = linear_norms_name(config.linear_norms);
  document["activation_quantizer"] = activation_quantizer_name(config.activations);
}

}  // namespace

std::string config_to_json(const Config& config, const std::string& dtype, const std::string& packed_format,
                           const std::map<std::string, ShardAxis>& axes) {
  const HfClass& of = hf_class_for(config);
  ordered_json document = {{"architectures", {of.architecture}},
                           {"model_type", of.model_type},
                           {"hidden_size", config.hidden},
                           {"intermediate_size", config.glu},
                           {"num_hidden_layers", config.layers},
                           {"num_attention_heads", config.heads},
                           {"num_key_value_heads", config.kv_heads},
                           {"head_dim", config.head_dim()},
                           {"vocab_size", config.vocab},
                           {"max_position_embeddings", config.max_position},
                           {"hidden_act", activation_name(config.activation)},
                           {"rms_norm_eps", shortest_decimal(config.norm_eps)},
                           {"rope_theta", shortest_decimal(config.rope.theta)},
                           {"rope_scaling", rope_scaling_json(config.rope)},
                           {"attention_bias", false},
                           {"mlp_bias", false},
                           {"attention_dropout", 0.0},
                           {"tie_word_embeddings", config.tied},
                           {"bos_token_id", token_json(config.bos)},
                           {"eos_token_id", token_json(config.eos)},
                           {"initializer_range", 0.02},
                           {"use_cache", true},
                           {"pretraining_tp", 1},
                           {"torch_dtype", dtype},
                           {"pretraining_model_parallel", config.shards},
                           {"spectra_family", family_name(config)}};
  if (of.qkv_bias) document.erase("attention_bias");  // the class has no such key: it always has the biases
  put_window(config, of, document);
  if (&of == &kSpectraClass) put_own_keys(config, document);
  if (!packed_format.empty()) document["quantization_config"] = packed_quantization(packed_format, axes);
  return document.dump(2) + "\n";
}

}  // namespace spectra::model
