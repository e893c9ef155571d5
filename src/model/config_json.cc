// SPDX-License-Identifier: Apache-2.0
// Reading config.json. Keys that are absent have the defaults of the class that it is of.
#include <cstdint>
#include <initializer_list>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/error.h"
#include "format/strict_json.h"
#include "model/config.h"
#include "model/config_reader.h"
#include "model/hf_class.h"
#include "model/packed_tensors.h"
#include "model/quantized_config.h"
#include "model/rope_json.h"

namespace spectra::model {
namespace {

using nlohmann::json;

constexpr int64_t kLargestNumber = int64_t{1} << 28;

/// Keys that change what is computed and have one supported value.
void refuse_other_values(const ConfigReader& read, const HfClass& of) {
  if (!of.qkv_bias) read.require("attention_bias", false);  // it would bring a bias of o too
  read.require("mlp_bias", false);
  read.require("partial_rotary_factor", 1.0);
  read.require("rotary_pct", 1.0);
}

template <class Value>
Value read_name(const ConfigReader& read, const char* key, Value absent, std::initializer_list<Value> all,
                const char* (*name_of)(Value)) {
  const std::string name = read.text(key);
  if (name.empty()) return absent;
  std::vector<std::string> names;
  for (const Value value : all) {
    if (name == name_of(value)) return value;
    names.push_back(name_of(value));
  }
  throw read.refuse(key, name, fmt::format("supported are {}", fmt::join(names, ", ")));
}

Activation read_activation(const ConfigReader& read, Activation absent) {
  return read_name(read, "hidden_act", absent, {Activation::kSilu, Activation::kRelu2, Activation::kGelu}, activation_name);
}

/// sliding_window, where it holds for all layers or none.
int64_t read_window(const ConfigReader& read, const HfClass& of, int64_t layers, bool given) {
  if (of.window == WindowKeys::kNone) return 0;
  const int64_t window = given ? read.integer("sliding_window", 0, 1, kLargestNumber) : of.absent_window;
  if (of.window == WindowKeys::kAlways) return window;
  if (!read.boolean("use_sliding_window", false)) return 0;
  const int64_t first = read.integer("max_window_layers", 28, 0, kLargestNumber);
  if (first >= layers) return 0;
  if (first > 0)
    throw read.refuse("max_window_layers", first,
                      fmt::format("supported are 0 and {}: all layers have the window, or none", layers));
  return window;
}

/// Keys that only Spectra's own class has.
void read_own_keys(const ConfigReader& read, Config& config) {
  config.qkv_bias = read.boolean("qkv_bias", false);
  config.head_norms = read.boolean("head_norms", false);
  config.sub_norms = read.boolean("sub_norms", config.sub_norms);
  config.linear_norms = read_name(read, "linear_norms", config.linear_norms,
                                  {LinearNorms::kNone, LinearNorms::kPlain, LinearNorms::kWeighted}, linear_norms_name);
  config.activations = read_name(read, "activation_quantizer", config.activations,
                                 {ActivationQuantizer::kNone, ActivationQuantizer::kInt8}, activation_quantizer_name);
}

void read_family(const ConfigReader& read, const HfClass& of, Config& config) {
  const json* family = read.find("spectra_family");
  if (family == nullptr) return;
  if (!family->is_string()) throw read.refuse("spectra_family", *family, "allowed are float, ternary and binary");
  const std::string name = family->get<std::string>();
  if (&of == &kSpectraClass)
    apply_family(config, name);
  else
    config.family = family_from_name(name);
}

/// A token id, the first of a list (Llama 3 has several EOS), or -1 where it is null.
int32_t read_token(const json& document, const ConfigReader& read, const char* key, int32_t absent, int64_t vocab) {
  const auto found = document.find(key);
  if (found == document.end()) return absent;
  if (found->is_null()) return -1;
  const json value = found->is_array() && !found->empty() ? found->front() : *found;
  if (!value.is_number_integer() || value.get<int64_t>() < -1 || value.get<int64_t>() >= vocab)
    throw read.refuse(key, *found, fmt::format("allowed are token ids from 0 to {}", vocab - 1));
  return value.get<int32_t>();
}

}  // namespace

Config config_from_json(const std::string& text, const std::string& where) {
  const json document = format::parse_json_object(text, where);
  const ConfigReader read(document, where);
  const HfClass& of = hf_class_of(read);
  refuse_other_values(read, of);
  Config config;
  config.hidden = read.dimension("hidden_size");
  config.glu = read.dimension("intermediate_size");
  config.layers = read.dimension("num_hidden_layers");
  config.heads = read.dimension("num_attention_heads");
  config.kv_heads = read.integer("num_key_value_heads", config.heads, 1, config.heads);
  config.vocab = read.dimension("vocab_size");
  config.max_position = read.integer("max_position_embeddings", of.absent_positions, 1, kLargestNumber);
  config.norm_eps = static_cast<float>(read.positive("rms_norm_eps", of.absent_norm_eps));
  config.rope = read_rope(read, of.absent_theta);
  config.tied = read.boolean("tie_word_embeddings", false);
  config.bos = read_token(document, read, "bos_token_id", 1, config.vocab);
  config.eos = read_token(document, read, "eos_token_id", 2, config.vocab);
  config.shards = read.integer("pretraining_model_parallel", 1, 1, 1024);
  read_family(read, of, config);
  config.qkv_bias = of.qkv_bias, config.head_norms = of.head_norms, config.sub_norms = config.sub_norms || of.sub_norms;
  config.activation = read_activation(read, of.activation == Activation::kSilu ? config.activation : of.activation);
  config.window = read_window(read, of, config.layers, document.contains("sliding_window"));
  if (&of == &kSpectraClass) read_own_keys(read, config);
  const int64_t head_dim = read.integer("head_dim", of.absent_head_dim, 1, kLargestNumber);
  if (head_dim * config.heads != config.hidden) config.head_size = head_dim;
  try {
    validate(config);
  } catch (const Error& error) {
    throw bad_input(fmt::format("{}: {}", where, error.what()), error.hint());
  }
  if (packed_format_from_json(text).empty()) quantized_config_from_json(text, where);  // refuses what nobody here reads
  return config;
}

std::string packed_format_from_json(const std::string& text) {
  const json document = format::parse_json_object(text, "config.json");
  const auto found = document.find("quantization_config");
  if (found == document.end() || !found->is_object()) return "";
  if (found->value("quant_method", json()) != "spectra") return "";
  const json name = found->value("format", json());
  if (!name.is_string() || name.get<std::string>().empty())
    throw bad_input("config.json: quantization_config has no format", "pack the model again");
  return name.get<std::string>();
}

}  // namespace spectra::model
