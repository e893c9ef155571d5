// SPDX-License-Identifier: Apache-2.0
// config.json as transformers writes and reads it for LlamaForCausalLM. Keys that are absent have that class's defaults.
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "format/strict_json.h"
#include "model/config.h"
#include "model/packed_tensors.h"
#include "model/quantized_config.h"

namespace spectra::model {
namespace {

using nlohmann::json;

constexpr const char* kSupported = "spectra runs models of the Llama architecture as transformers' LlamaForCausalLM describes them";

/// A key of config.json, absent where it is null.
class ConfigReader {
 public:
  ConfigReader(const json& document, const std::string& where) : document_(document), where_(where) {}

  const json* find(const char* key) const {
    const auto found = document_.find(key);
    return found == document_.end() || found->is_null() ? nullptr : &*found;
  }
  int64_t integer(const char* key, int64_t absent, int64_t low, int64_t high) const {
    const json* value = find(key);
    if (value == nullptr) return absent;
    if (!value->is_number_integer() || (value->is_number_unsigned() && value->get<uint64_t>() > INT64_MAX) ||
        value->get<int64_t>() < low || value->get<int64_t>() > high)
      throw refuse(key, *value, fmt::format("allowed are whole numbers from {} to {}", low, high));
    return value->get<int64_t>();
  }
  int64_t dimension(const char* key) const {
    if (find(key) == nullptr) throw bad_input(fmt::format("{}: {} is missing", where_, key), kSupported);
    return integer(key, 0, 1, int64_t{1} << 28);
  }
  double positive(const char* key, double absent) const {
    const json* value = find(key);
    if (value == nullptr) return absent;
    const double number = value->is_number() ? value->get<double>() : 0;
    if (!(number > 0) || !(number < 1e30)) throw refuse(key, *value, "allowed are numbers above 0");
    return number;
  }
  /// The key must be absent or equal to `wanted`: anything else would compute something different.
  void require(const char* key, const json& wanted) const {
    const json* value = find(key);
    if (value != nullptr && *value != wanted) throw refuse(key, *value, fmt::format("supported is {} only", wanted.dump()));
  }
  Error refuse(const char* key, const json& value, const std::string& hint) const {
    return bad_input(fmt::format("{}: {} is {}", where_, key, value.dump()), hint);
  }

 private:
  const json& document_;
  const std::string& where_;
};

void check_architecture(const ConfigReader& read, const json& document, const std::string& where) {
  const json* type = read.find("model_type");
  if (type != nullptr && *type != "llama") throw read.refuse("model_type", *type, kSupported);
  if (type == nullptr && document.value("architectures", json::array()) != json::array({"LlamaForCausalLM"}))
    throw bad_input(where + ": neither model_type nor architectures says that this is a Llama model", kSupported);
  read.require("hidden_act", "silu");
  read.require("attention_bias", false);
  read.require("mlp_bias", false);
  read.require("partial_rotary_factor", 1.0);
  read.require("rotary_pct", 1.0);
  if (const json* scaling = read.find("rope_scaling"); scaling != nullptr)
    throw read.refuse("rope_scaling", *scaling, "supported is null only");
}

/// rope_theta: at the top, or inside rope_parameters since transformers 5.
float read_rope_theta(const ConfigReader& read, const std::string& where) {
  const json* inner = read.find("rope_parameters");
  if (inner == nullptr) return static_cast<float>(read.positive("rope_theta", 10000));
  if (!inner->is_object()) throw read.refuse("rope_parameters", *inner, "expected an object");
  const ConfigReader parameters(*inner, where);
  parameters.require("rope_type", "default");
  return static_cast<float>(parameters.positive("rope_theta", read.positive("rope_theta", 10000)));
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

/// The shortest decimal that reads back as `value`: 1e-05, not 9.999999747378752e-06.
double shortest(float value) { return std::stod(fmt::format("{}", value)); }

nlohmann::ordered_json quantization(const std::string& packed_format, const std::map<std::string, ShardAxis>& axes) {
  nlohmann::ordered_json shard_axis;
  for (const char* name : {"q_proj", "k_proj", "v_proj", "gate_proj", "up_proj"})
    shard_axis[name] = lowbit::shard_axis_name(ShardAxis::kRows);
  for (const char* name : {"o_proj", "down_proj"}) shard_axis[name] = lowbit::shard_axis_name(ShardAxis::kColumns);
  for (const auto& axis : axes) shard_axis[axis.first] = lowbit::shard_axis_name(axis.second);
  return {{"quant_method", "spectra"}, {"format", packed_format}, {"shard_axis", shard_axis}};
}

}  // namespace

Config config_from_json(const std::string& text, const std::string& where) {
  const json document = format::parse_json_object(text, where);
  const ConfigReader read(document, where);
  check_architecture(read, document, where);
  Config config;
  config.hidden = read.dimension("hidden_size");
  config.glu = read.dimension("intermediate_size");
  config.layers = read.dimension("num_hidden_layers");
  config.heads = read.dimension("num_attention_heads");
  config.kv_heads = read.integer("num_key_value_heads", config.heads, 1, config.heads);
  config.vocab = read.dimension("vocab_size");
  config.max_position = read.integer("max_position_embeddings", 2048, 1, int64_t{1} << 28);
  config.norm_eps = static_cast<float>(read.positive("rms_norm_eps", 1e-6));
  config.rope_theta = read_rope_theta(read, where);
  if (const json* tied = read.find("tie_word_embeddings"); tied != nullptr) {
    if (!tied->is_boolean()) throw read.refuse("tie_word_embeddings", *tied, "allowed are true and false");
    config.tied = tied->get<bool>();
  }
  config.bos = read_token(document, read, "bos_token_id", 1, config.vocab);
  config.eos = read_token(document, read, "eos_token_id", 2, config.vocab);
  config.shards = read.integer("pretraining_model_parallel", 1, 1, 1024);
  if (const json* family = read.find("spectra_family"); family != nullptr) {
    if (!family->is_string()) throw read.refuse("spectra_family", *family, "allowed are float, ternary and binary");
    config.family = family_from_name(family->get<std::string>());
  }
  try {
    validate(config);
  } catch (const Error& error) {
    throw bad_input(fmt::format("{}: {}", where, error.what()), error.hint());
  }
  read.require("head_dim", config.head_dim());
  if (packed_format_from_json(text).empty()) quantized_config_from_json(text, where);  // refuses what nobody here reads
  return config;
}

std::string config_to_json(const Config& config, const std::string& dtype, const std::string& packed_format,
                           const std::map<std::string, ShardAxis>& axes) {
  const auto token = [](int32_t id) { return id < 0 ? nlohmann::ordered_json() : nlohmann::ordered_json(id); };
  nlohmann::ordered_json document = {{"architectures", {"LlamaForCausalLM"}},
                                     {"model_type", "llama"},
                                     {"hidden_size", config.hidden},
                                     {"intermediate_size", config.glu},
                                     {"num_hidden_layers", config.layers},
                                     {"num_attention_heads", config.heads},
                                     {"num_key_value_heads", config.kv_heads},
                                     {"head_dim", config.head_dim()},
                                     {"vocab_size", config.vocab},
                                     {"max_position_embeddings", config.max_position},
                                     {"hidden_act", "silu"},
                                     {"rms_norm_eps", shortest(config.norm_eps)},
                                     {"rope_theta", shortest(config.rope_theta)},
                                     {"rope_scaling", nullptr},
                                     {"attention_bias", false},
                                     {"mlp_bias", false},
                                     {"attention_dropout", 0.0},
                                     {"tie_word_embeddings", config.tied},
                                     {"bos_token_id", token(config.bos)},
                                     {"eos_token_id", token(config.eos)},
                                     {"initializer_range", 0.02},
                                     {"use_cache", true},
                                     {"pretraining_tp", 1},
                                     {"torch_dtype", dtype},
                                     {"pretraining_model_parallel", config.shards},
                                     {"spectra_family", family_name(config.family)}};
  if (!packed_format.empty()) document["quantization_config"] = quantization(packed_format, axes);
  return document.dump(2) + "\n";
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
