// SPDX-License-Identifier: Apache-2.0
#include "model/gguf_model.h"

#include "base/error.h"
#include "model/rope_order.h"
#include "model/variants.h"

namespace spectra::model {
namespace {

struct GgufName {
  Slot slot;
  const char* name;
};
constexpr GgufName kGgufNames[] = {{Slot::kEmbedding, "token_embd"},
                                   {Slot::kInputNorm, "attn_norm"},
                                   {Slot::kQ, "attn_q"},
                                   {Slot::kK, "attn_k"},
                                   {Slot::kV, "attn_v"},
                                   {Slot::kO, "attn_output"},
                                   {Slot::kPostNorm, "ffn_norm"},
                                   {Slot::kGate, "ffn_gate"},
                                   {Slot::kUp, "ffn_up"},
                                   {Slot::kDown, "ffn_down"},
                                   {Slot::kFinalNorm, "output_norm"},
                                   {Slot::kHead, "output"}};

const char* gguf_stem(Slot slot) {
  for (const GgufName& name : kGgufNames)
    if (name.slot == slot) return name.name;
  SPECTRA_CHECK(false, "slot {} has no name in GGUF files", static_cast<int>(slot));
}

/// general.file_type, by the type of most matrices.
uint32_t file_type(format::GgmlType type) {
  switch (type) {
    case format::GgmlType::kF32:
      return 0;
    case format::GgmlType::kF16:
      return 1;
    case format::GgmlType::kQ4_0:
      return 2;
    case format::GgmlType::kQ8_0:
      return 7;
    case format::GgmlType::kQ6_K:
      return 18;
    case format::GgmlType::kBf16:
      return 32;
    case format::GgmlType::kTq1_0:
      return 36;
    case format::GgmlType::kTq2_0:
      return 37;
    default:
      SPECTRA_CHECK(false, "type={}", static_cast<uint32_t>(type));
  }
}

/// Keys that change what is computed and that spectra does not know.
void check_supported(const format::GgufContents& contents) {
  const std::string architecture = contents.text("general.architecture");
  if (architecture != "llama")
    throw bad_input(fmt::format("{}: general.architecture is {}", contents.where, architecture), "spectra reads llama");
  const std::string scaling = contents.text("llama.rope.scaling.type", "none");
  if (scaling != "none" || contents.tensor("rope_freqs.weight") != nullptr)
    throw bad_input(fmt::format("{}: its rotary embeddings are scaled", contents.where), "spectra reads models without scaling");
  if (contents.integer("llama.expert_count", 0) != 0)
    throw bad_input(fmt::format("{}: is a mixture of experts", contents.where), "spectra reads dense models");
}

}  // namespace

std::string gguf_name(const Parameter& parameter) {
  const char* name = gguf_stem(parameter.slot);
  return parameter.layer < 0 ? fmt::format("{}.weight", name) : fmt::format("blk.{}.{}.weight", parameter.layer, name);
}

bool gguf_reorders_rows(const Parameter& parameter) { return is_turned(parameter.slot); }

void put_config(const Config& config, const std::string& name, format::GgmlType type, format::GgufMetadata& metadata) {
  require_supported(config, "a GGUF file");
  const auto put = [&](const std::string& key, int64_t value) { metadata.put("llama." + key, static_cast<uint32_t>(value)); };
  metadata.put("general.architecture", "llama");
  metadata.put("general.type", "model");
  metadata.put("general.name", name);
  metadata.put("general.file_type", file_type(type));
  if (format::ggml_type(type).block > 1) metadata.put("general.quantization_version", uint32_t{2});
  put("vocab_size", config.vocab);
  put("context_length", config.max_position);
  put("embedding_length", config.hidden);
  put("block_count", config.layers);
  put("feed_forward_length", config.glu);
  put("attention.head_count", config.heads);
  put("attention.head_count_kv", config.kv_heads);
  put("rope.dimension_count", config.head_dim());
  metadata.put("llama.rope.freq_base", config.rope.theta);
  metadata.put("llama.attention.layer_norm_rms_epsilon", config.norm_eps);
  metadata.put("spectra.family", family_name(config.family));
  metadata.put("spectra.shards", static_cast<uint32_t>(config.shards));
}

Config config_from_gguf(const format::GgufContents& contents) {
  check_supported(contents);
  const auto get = [&](const std::string& key) { return contents.integer("llama." + key); };
  Config config;
  config.hidden = get("embedding_length");
  config.layers = get("block_count");
  config.glu = get("feed_forward_length");
  config.heads = get("attention.head_count");
  config.kv_heads = contents.integer("llama.attention.head_count_kv", config.heads);
  config.max_position = get("context_length");
  config.rope.theta = static_cast<float>(contents.number("llama.rope.freq_base", 10000));
  if (contents.find("llama.attention.layer_norm_rms_epsilon") == nullptr)
    throw bad_input(contents.where + ": llama.attention.layer_norm_rms_epsilon is missing", "the file is damaged");
  config.norm_eps = static_cast<float>(contents.number("llama.attention.layer_norm_rms_epsilon", 0));
  if (!(config.norm_eps > 0) || !(config.norm_eps < 1) || !(config.rope.theta > 0) || !(config.rope.theta < 1e30f))
    throw bad_input(
        fmt::format("{}: norm epsilon {} or rope.freq_base {} makes no sense", contents.where, config.norm_eps, config.rope.theta),
        "the file is damaged");
  const format::GgufTensor* embedding = contents.tensor("token_embd.weight");
  if (embedding == nullptr) throw bad_input(contents.where + ": tensor token_embd.weight is missing", "it holds no whole model");
  config.vocab = embedding->rows();
  config.tied = contents.tensor("output.weight") == nullptr;
  config.family = family_from_name(contents.text("spectra.family", "float"));
  config.shards = contents.integer("spectra.shards", 1);
  try {
    validate(config);
  } catch (const Error& error) {
    throw bad_input(fmt::format("{}: {}", contents.where, error.what()), error.hint());
  }
  for (const char* key : {"llama.rope.dimension_count", "llama.attention.key_length", "llama.attention.value_length"})
    if (contents.integer(key, config.head_dim()) != config.head_dim())
      throw bad_input(fmt::format("{}: {} is {}, the head size {}", contents.where, key, contents.integer(key), config.head_dim()),
                      "spectra reads models whose heads have hidden / heads values and rotate all of them");
  return config;
}

}  // namespace spectra::model
