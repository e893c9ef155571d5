// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <set>

#include "base/error.h"
#include "model/config.h"
#include "model/initial.h"
#include "model/variants.h"

namespace spectra::model {
namespace {

/// The error that `body` throws, message and hint; "" when it throws none.
template <class Body>
std::string complaint(const Body& body) {
  try {
    body();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Exit::kBadInput);
    return std::string(error.what()) + " / " + error.hint();
  }
  return "";
}

TEST(Sizes, AllCellsOfThePapersTable) {  // arXiv 2407.12327, table 4: 1e9 bits, two decimals
  const struct {
    double bits;
    double cells[9];
  } rows[] = {{16.0, {1.60, 3.05, 6.28, 9.11, 13.34, 18.39, 24.23, 39.38, 63.83}},
              {8.0, {1.21, 2.14, 3.96, 5.58, 7.91, 10.64, 13.77, 21.55, 34.39}},
              {6.0, {1.11, 1.92, 3.38, 4.70, 6.55, 8.70, 11.15, 17.09, 27.03}},
              {4.25, {1.03, 1.72, 2.88, 3.93, 5.36, 7.00, 8.86, 13.18, 20.59}},
              {3.25, {0.98, 1.60, 2.59, 3.49, 4.68, 6.03, 7.55, 10.95, 16.91}},
              {1.58, {0.90, 1.42, 2.11, 2.76, 3.55, 4.42, 5.36, 7.23, 10.76}}};
  int cells = 0;
  for (const auto& row : rows)
    for (size_t i = 0; i < 9; ++i, ++cells) {
      const Config config = config_of_size(spectra_sizes()[i], Family::kTernary);
      EXPECT_EQ(std::round(size_in_bits(config, row.bits) / 1e7), std::round(row.cells[i] * 100))
          << spectra_sizes()[i].name << " at " << row.bits << " bits";
    }
  EXPECT_EQ(cells, 54);
}

TEST(Sizes, ParameterCounts) {  // linear, embedding and head at vocabulary 50304, norms
  const ParameterCount expected[9] = {
      {48234496, 51511296, 16896},     {113246208, 77266944, 25344},    {289406976, 103022592, 50176},
      {440401920, 128778240, 62720},   {679477248, 154533888, 75264},   {968884224, 180289536, 87808},
      {1308622848, 206045184, 100352}, {2229534720, 231800832, 140544}, {3680501760, 309067776, 187392}};
  ASSERT_EQ(spectra_sizes().size(), 9u);
  for (size_t i = 0; i < 9; ++i) {
    Config config = config_of_size(spectra_sizes()[i], Family::kFloat);
    validate(config);
    config.vocab = 50304;
    const ParameterCount count = count_parameters(config);
    EXPECT_EQ(count.linear, expected[i].linear);
    EXPECT_EQ(count.embedding_and_head, expected[i].embedding_and_head);
    EXPECT_EQ(count.norms, expected[i].norms);
    EXPECT_EQ(config.head_dim(), std::string(spectra_sizes()[i].name) == "3.9B" ? 128 : 64);
  }
  EXPECT_EQ(count_parameters(config_of_size(size_from_name("99M"), Family::kFloat)).total(), 48234496 + 51511296 + 16896);
}

TEST(Sizes, PaddedVocabulary) {
  EXPECT_EQ(padded_vocab(50277, 1), 50304);
  EXPECT_EQ(padded_vocab(50277, 2), 50432);
  EXPECT_EQ(padded_vocab(50277, 3), 50304);
  EXPECT_EQ(padded_vocab(50277, 6), 50688);
  EXPECT_EQ(padded_vocab(8192, 1), 8192);
  EXPECT_EQ(padded_vocab(1, 1), 128);
  for (const Size& size : spectra_sizes()) EXPECT_EQ(padded_vocab(50277, size.shards), size.vocab) << size.name;
}

TEST(Sizes, UnknownNamesListTheKnown) {
  EXPECT_NE(complaint([] { size_from_name("7B"); }).find("99M, 190M, 390M, 560M, 830M, 1.1B, 1.5B, 2.4B, 3.9B"), std::string::npos);
  EXPECT_NE(complaint([] { family_from_name("trit"); }).find("float, ternary and binary"), std::string::npos);
}

TEST(Parameters, NamesShapesAndOrder) {
  Config config = config_of_size(size_from_name("1.1B"), Family::kTernary);
  config.layers = 2;
  const auto list = parameters(config);
  ASSERT_EQ(list.size(), 1u + 2 * 9 + 2);
  EXPECT_EQ(list[0].name, "model.embed_tokens.weight");
  EXPECT_EQ(tensor_shape(list[0]), (std::vector<int64_t>{50432, 1792}));
  EXPECT_EQ(list[1].name, "model.layers.0.input_layernorm.weight");
  EXPECT_EQ(tensor_shape(list[1]), (std::vector<int64_t>{1792}));
  const char* layer[] = {"input_layernorm",          "self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj",
                         "post_attention_layernorm", "mlp.gate_proj",    "mlp.up_proj",      "mlp.down_proj"};
  for (size_t i = 0; i < 9; ++i) EXPECT_EQ(list[10 + i].name, std::string("model.layers.1.") + layer[i] + ".weight");
  const Parameter& down = list[18];
  EXPECT_EQ(tensor_shape(down), (std::vector<int64_t>{1792, 5120}));
  EXPECT_EQ(down.axis, ShardAxis::kColumns);
  EXPECT_TRUE(down.residual_output);
  EXPECT_EQ(shard_bounds(down, 2), (std::vector<int64_t>{0, 2560, 5120}));
  const Parameter& up = list[17];
  EXPECT_EQ(tensor_shape(up), (std::vector<int64_t>{5120, 1792}));
  EXPECT_EQ(up.axis, ShardAxis::kRows);
  EXPECT_FALSE(up.residual_output);
  EXPECT_EQ(shard_bounds(up, 4), (std::vector<int64_t>{0, 1280, 2560, 3840, 5120}));
  EXPECT_EQ(list[19].name, "model.norm.weight");
  EXPECT_EQ(list[20].name, "lm_head.weight");
}

TEST(Parameters, GroupedQueriesAndTiedHead) {  // the dimensions of stories260K
  Config config;
  config.hidden = 64;
  config.glu = 172;
  config.layers = 5;
  config.heads = 8;
  config.kv_heads = 4;
  config.vocab = 512;
  config.tied = true;
  validate(config);
  const auto list = parameters(config);
  ASSERT_EQ(list.size(), 1u + 5 * 9 + 1);
  EXPECT_EQ(list.back().name, "model.norm.weight");
  EXPECT_EQ(tensor_shape(list[2]), (std::vector<int64_t>{64, 64}));
  EXPECT_EQ(tensor_shape(list[3]), (std::vector<int64_t>{32, 64}));
  EXPECT_EQ(count_parameters(config).embedding_and_head, 512 * 64);
  EXPECT_EQ(count_parameters(config).linear, 5 * (2 * 64 * 64 + 2 * 32 * 64 + 3 * 64 * 172));
}

TEST(Validate, RefusesDimensionsThatDoNotFit) {
  Config config;
  config.hidden = 256;
  config.glu = 640;
  config.heads = config.kv_heads = 4;
  config.layers = 8;
  config.vocab = 8192;
  validate(config);
  const auto with = [&](int64_t Config::*member, int64_t value) {
    Config changed = config;
    changed.*member = value;
    return complaint([&] { validate(changed); });
  };
  EXPECT_NE(with(&Config::shards, 6).find("hidden 256 is not divisible by shards 6"), std::string::npos);
  EXPECT_NE(with(&Config::heads, 3).find("hidden 256 is not divisible by heads 3"), std::string::npos);
  EXPECT_NE(with(&Config::kv_heads, 3).find("heads 4 is not divisible by kv_heads 3"), std::string::npos);
  EXPECT_NE(with(&Config::layers, 0).find("layers is 0"), std::string::npos);
  EXPECT_NE(with(&Config::vocab, -5).find("vocab is -5"), std::string::npos);
  EXPECT_NE(with(&Config::heads, 256).find("odd"), std::string::npos) << with(&Config::heads, 256);
  config.hidden = 384;
  config.glu = 1152;
  config.heads = config.kv_heads = config.shards = 6;
  validate(config);
}

TEST(ConfigJson, RoundTrips) {
  Config config = config_of_size(size_from_name("3.9B"), Family::kTernary);
  config.kv_heads = 12;
  config.tied = true;
  config.bos = -1;
  config.eos = 5;
  config.rope.theta = 12345.5f;
  config.norm_eps = 1e-6f;
  config.max_position = 512;
  const std::string text =
      config_to_json(config, "float16", "tern2-v2", {{"model.layers.0.mlp.up_proj.weight", ShardAxis::kColumns}});
  const Config read = config_from_json(text, "config.json");
  EXPECT_EQ(read.hidden, config.hidden);
  EXPECT_EQ(read.glu, config.glu);
  EXPECT_EQ(read.heads, config.heads);
  EXPECT_EQ(read.kv_heads, config.kv_heads);
  EXPECT_EQ(read.layers, config.layers);
  EXPECT_EQ(read.vocab, config.vocab);
  EXPECT_EQ(read.max_position, config.max_position);
  EXPECT_EQ(read.rope.theta, config.rope.theta);
  EXPECT_EQ(read.norm_eps, config.norm_eps);
  EXPECT_EQ(read.tied, config.tied);
  EXPECT_EQ(read.bos, config.bos);
  EXPECT_EQ(read.eos, config.eos);
  EXPECT_EQ(read.shards, config.shards);
  EXPECT_EQ(read.family, config.family);
  EXPECT_EQ(config_to_json(read, "float16", "tern2-v2", {{"model.layers.0.mlp.up_proj.weight", ShardAxis::kColumns}}), text);
  EXPECT_EQ(packed_format_from_json(text), "tern2-v2");
  EXPECT_EQ(packed_format_from_json(config_to_json(config, "float16")), "");
}

TEST(ConfigJson, WritesWhatTransformersReads) {
  const auto json = nlohmann::json::parse(config_to_json(config_of_size(size_from_name("99M"), Family::kFloat), "float16"));
  EXPECT_EQ(json["architectures"], nlohmann::json::array({"LlamaForCausalLM"}));
  EXPECT_EQ(json["model_type"], "llama");
  EXPECT_EQ(json["head_dim"], 64);
  EXPECT_EQ(json["rms_norm_eps"].dump(), "1e-05");
  EXPECT_EQ(json["rope_theta"], 10000.0);
  EXPECT_TRUE(json["rope_scaling"].is_null());
  EXPECT_EQ(json["torch_dtype"], "float16");
  EXPECT_EQ(json["pretraining_model_parallel"], 1);
  EXPECT_FALSE(json.contains("quantization_config"));
}

/// A minimal config.json of another tool, with `patch` merged in.
std::string foreign(const std::string& patch = "{}") {
  auto json = nlohmann::json::parse(R"({"architectures":["LlamaForCausalLM"],"model_type":"llama","hidden_size":64,
    "intermediate_size":172,"num_hidden_layers":5,"num_attention_heads":8,"vocab_size":512})");
  json.merge_patch(nlohmann::json::parse(patch));
  return json.dump();
}

TEST(ConfigJson, AbsentKeysHaveTransformersDefaults) {
  const Config config = config_from_json(foreign(), "config.json");
  EXPECT_EQ(config.kv_heads, 8);
  EXPECT_EQ(config.max_position, 2048);
  EXPECT_EQ(config.norm_eps, 1e-6f);
  EXPECT_EQ(config.rope.theta, 10000.0f);
  EXPECT_FALSE(config.tied);
  EXPECT_EQ(config.bos, 1);
  EXPECT_EQ(config.eos, 2);
  EXPECT_EQ(config.shards, 1);
  EXPECT_EQ(config.family, Family::kFloat);
  EXPECT_EQ(config_from_json(foreign(R"({"rope_parameters":{"rope_type":"default","rope_theta":500000.0}})"), "").rope.theta,
            500000.0f);
  EXPECT_EQ(config_from_json(foreign(R"({"eos_token_id":[7,9]})"), "").eos, 7);
  EXPECT_EQ(config_from_json(foreign(R"({"head_dim":8,"rotary_pct":1.0,"hidden_act":"silu"})"), "").head_dim(), 8);
}

TEST(ConfigJson, RefusesWhatItWouldComputeWrongly) {
  const auto refused = [](const std::string& patch) {
    return complaint([&] { require_supported(config_from_json(foreign(patch), "m/config.json"), "a plain Llama"); });
  };
  const std::pair<const char*, const char*> cases[] = {
      {R"({"model_type":"gpt_neox"})", "model_type is \"gpt_neox\""},
      {R"({"rope_scaling":{"type":"linear","factor":2}})", "rope_scaling"},
      {R"({"rope_parameters":{"rope_type":"llama3"}})", "rope_type"},
      {R"({"attention_bias":true})", "attention_bias is true"},
      {R"({"mlp_bias":true})", "mlp_bias is true"},
      {R"({"hidden_act":"gelu"})", "hidden_act is \"gelu\""},
      {R"({"head_dim":16})", "head_dim is 16"},
      {R"({"hidden_size":null})", "hidden_size is missing"},
      {R"({"hidden_size":"64"})", "hidden_size is \"64\""},
      {R"({"hidden_size":-64})", "hidden_size is -64"},
      {R"({"hidden_size":18446744073709551615})", "hidden_size is 18446744073709551615"},
      {R"({"hidden_size":65})", "not divisible"},
      {R"({"num_key_value_heads":3})", "kv_heads 3"},
      {R"({"num_key_value_heads":16})", "num_key_value_heads is 16"},
      {R"({"rms_norm_eps":0})", "rms_norm_eps is 0"},
      {R"({"rope_theta":-1})", "rope_theta is -1"},
      {R"({"eos_token_id":512})", "eos_token_id is 512"},
      {R"({"tie_word_embeddings":1})", "tie_word_embeddings is 1"},
      {R"({"spectra_family":"quaternary"})", "quaternary"},
      {R"({"quantization_config":{"quant_method":"gptq","bits":4}})", "quantization_config"}};
  for (const auto& item : cases) {
    const std::string seen = refused(item.first);
    EXPECT_NE(seen.find(item.second), std::string::npos) << item.first << ": " << seen;
  }
  EXPECT_NE(refused(R"({"attention_bias":true})").find("m/config.json"), std::string::npos);
  EXPECT_NE(complaint([] { config_from_json("[1]", "c"); }).find("expected a JSON object"), std::string::npos);
  EXPECT_NE(complaint([] { config_from_json("{", "c"); }).find("not valid JSON"), std::string::npos);
}

TEST(Initial, IsAPureFunctionOfNameSeedAndIndex) {
  const Config config = config_of_size(size_from_name("99M"), Family::kFloat);
  const auto list = parameters(config);
  std::vector<float> whole(1000), piece(300), other(1000);
  initial_values(list[2], 7, 0, 1000, whole.data());
  initial_values(list[2], 7, 500, 300, piece.data());
  for (size_t i = 0; i < 300; ++i) EXPECT_EQ(piece[i], whole[500 + i]);
  initial_values(list[3], 7, 0, 1000, other.data());
  EXPECT_NE(other, whole);
  double squares = 0;
  for (const float value : whole) squares += value * value;
  EXPECT_NEAR(std::sqrt(squares / 1000), 0.02, 0.002);
  initial_values(list[1], 7, 0, 1000, other.data());
  EXPECT_EQ(other, std::vector<float>(1000, 1.0f));
}

}  // namespace
}  // namespace spectra::model
