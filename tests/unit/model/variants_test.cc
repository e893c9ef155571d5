// SPDX-License-Identifier: Apache-2.0
// Architectures other than a plain Llama: config.json, parameters, and who refuses them.
#include "model/variants.h"

#include <gtest/gtest.h>

#include <functional>
#include <iterator>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "every_variant.h"
#include "model/config.h"

namespace spectra::model {
namespace {

using nlohmann::json;

Config plain() {
  Config config;
  config.hidden = 64;
  config.glu = 96;
  config.heads = 4;
  config.kv_heads = 2;
  config.layers = 2;
  config.vocab = 128;
  return config;
}

Config with(const std::function<void(Config&)>& change) {
  Config config = plain();
  change(config);
  return config;
}

struct Case {
  const char* architecture;
  Config config;
};

std::vector<Case> cases() {
  return {{"LlamaForCausalLM", plain()},
          {"LlamaForCausalLM", with([](Config& c) { c.head_size = 48, c.activation = Activation::kRelu2; })},
          {"LlamaForCausalLM", with([](Config& c) { c.rope.scaling = RopeScaling::kLinear, c.rope.factor = 2.5; })},
          {"MistralForCausalLM", with([](Config& c) { c.window = 32, c.activation = Activation::kGelu; })},
          {"Qwen2ForCausalLM", with([](Config& c) { c.qkv_bias = true; })},
          {"Qwen2ForCausalLM", with([](Config& c) { c.qkv_bias = true, c.window = 32; })},
          {"Qwen3ForCausalLM", with([](Config& c) { c.head_norms = true, c.head_size = 128; })},
          {"BitNetForCausalLM", with([](Config& c) { c.sub_norms = true, c.activation = Activation::kRelu2; })},
          {"BitNetForCausalLM", with([](Config& c) { c.sub_norms = true, c.family = Family::kTernary; })},
          {"SpectraForCausalLM", with([](Config& c) { c.sub_norms = true, c.window = 8; })},
          {"SpectraForCausalLM", with([](Config& c) { c.linear_norms = LinearNorms::kWeighted; })},
          {"SpectraForCausalLM", with([](Config& c) { apply_family(c, "bitnet"); })},
          {"SpectraForCausalLM", with([](Config& c) { apply_family(c, "bitnet-2b4t"); })},
          {"SpectraForCausalLM", test::every_variant()}};
}

void expect_equal(const Config& a, const Config& b) {
  EXPECT_EQ(a.head_dim(), b.head_dim());
  EXPECT_EQ(a.rope.scaling, b.rope.scaling);
  EXPECT_EQ(a.rope.factor, b.rope.factor);
  EXPECT_EQ(a.rope.original_positions, b.rope.original_positions);
  EXPECT_EQ(a.window, b.window);
  EXPECT_EQ(a.qkv_bias, b.qkv_bias);
  EXPECT_EQ(a.head_norms, b.head_norms);
  EXPECT_EQ(a.sub_norms, b.sub_norms);
  EXPECT_EQ(a.linear_norms, b.linear_norms);
  EXPECT_EQ(a.activation, b.activation);
  EXPECT_EQ(a.family, b.family);
  EXPECT_EQ(a.activations, b.activations);
}

TEST(Variants, ConfigJsonRoundTrips) {
  for (const Case& one : cases()) {
    const std::string text = config_to_json(one.config, "float16");
    SCOPED_TRACE(text);
    EXPECT_EQ(json::parse(text)["architectures"], json::array({one.architecture}));
    const Config read = config_from_json(text, "config.json");
    expect_equal(read, one.config);
    EXPECT_EQ(config_to_json(read, "float16"), text);
  }
}

TEST(Variants, KeysOfTransformersClasses) {
  const json bitnet = json::parse(config_to_json(cases()[7].config, "float16"));
  EXPECT_EQ(bitnet["model_type"], "bitnet");
  EXPECT_EQ(bitnet["hidden_act"], "relu2");
  const json qwen2 = json::parse(config_to_json(cases()[5].config, "float16"));
  EXPECT_EQ(qwen2["use_sliding_window"], true);
  EXPECT_EQ(qwen2["sliding_window"], 32);
  EXPECT_EQ(qwen2["max_window_layers"], 0);
  const json linear = json::parse(config_to_json(cases()[2].config, "float16"));
  EXPECT_EQ(linear["rope_scaling"], (json{{"rope_type", "linear"}, {"factor", 2.5}}));
}

/// config.json as other tools write it.
Config read(const std::string& patch) {
  json document = json::parse(R"({"hidden_size":64,"intermediate_size":96,"num_hidden_layers":5,"num_attention_heads":4,
    "vocab_size":512})");
  document.update(json::parse(patch));  // not a merge, which would take null for an absent key
  return config_from_json(document.dump(), "config.json");
}

TEST(Variants, AbsentKeysHaveTheClassesDefaults) {
  const Config mistral = read(R"({"model_type":"mistral"})");
  EXPECT_EQ(mistral.window, 4096);
  EXPECT_EQ(read(R"({"model_type":"mistral","sliding_window":null})").window, 0);
  const Config qwen3 = read(R"({"model_type":"qwen3","sliding_window":16,"use_sliding_window":false})");
  EXPECT_EQ(qwen3.window, 0);
  EXPECT_EQ(qwen3.head_dim(), 128);
  EXPECT_TRUE(qwen3.head_norms);
  const Config bitnet = read(R"({"architectures":["BitNetForCausalLM"]})");
  EXPECT_TRUE(bitnet.sub_norms);
  EXPECT_EQ(bitnet.activation, Activation::kRelu2);
  EXPECT_EQ(bitnet.rope.theta, 500000.0f);
  EXPECT_EQ(read(R"({"model_type":"llama","num_attention_heads":8,"head_dim":32,"rope_theta":1000042})").q_dim(), 256);
}

TEST(Variants, ConfigsThatNobodyComputesAreRefused) {
  const auto refused = [](const std::string& patch) {
    try {
      read(patch);
      return std::string();
    } catch (const Error& error) {
      return std::string(error.what());
    }
  };
  const std::pair<const char*, const char*> wrong[] = {
      {R"({"model_type":"llama","architectures":["BitnetForCausalLM"]})", "architectures is [\"BitnetForCausalLM\"]"},
      {R"({"model_type":"qwen3","attention_bias":true})", "attention_bias is true"},
      {R"({"model_type":"qwen2","use_sliding_window":true,"sliding_window":8,"max_window_layers":2})", "max_window_layers is 2"},
      {R"({"model_type":"llama","hidden_act":"gelu_pytorch_tanh"})", "hidden_act is \"gelu_pytorch_tanh\""},
      {R"({"model_type":"llama","head_dim":7})", "odd"},
      {R"({"model_type":"spectra","linear_norms":"some"})", "linear_norms is \"some\""},
      {R"({"model_type":"spectra","sub_norms":1})", "sub_norms is 1"},
      {R"({"model_type":"spectra","activation_quantizer":"int4"})", "activation_quantizer is \"int4\""},
      {R"({"model_type":"llama","spectra_family":"bitnet"})", "unknown family \"bitnet\""}};
  for (const auto& item : wrong) EXPECT_NE(refused(item.first).find(item.second), std::string::npos) << refused(item.first);
}

TEST(Variants, FamiliesAreShortNames) {
  const Config bitnet = with([](Config& c) { apply_family(c, "bitnet-2b4t"); });
  EXPECT_EQ(bitnet.family, Family::kTernary);
  EXPECT_EQ(bitnet.activations, ActivationQuantizer::kInt8);
  EXPECT_TRUE(bitnet.sub_norms);
  EXPECT_EQ(bitnet.activation, Activation::kRelu2);
  for (const char* name : {"float", "ternary", "binary", "bitnet", "bitnet-2b4t"})
    EXPECT_STREQ(family_name(with([&](Config& c) { apply_family(c, name); })), name);
  EXPECT_STREQ(family_name(with([](Config& c) { c.family = Family::kTernary, c.sub_norms = true; })), "ternary");
}

TEST(Variants, ParametersOfEveryVariant) {
  Config config = test::every_variant();
  config.linear_norms = LinearNorms::kWeighted;
  const std::vector<Parameter> all = parameters(config);
  ASSERT_EQ(all.size(), 1u + 2 * 23 + 1);
  const std::pair<const char*, std::vector<int64_t>> layer[] = {{"input_layernorm.weight", {512}},
                                                                {"self_attn.q_proj.rms_norm.weight", {512}},
                                                                {"self_attn.k_proj.rms_norm.weight", {512}},
                                                                {"self_attn.v_proj.rms_norm.weight", {512}},
                                                                {"self_attn.q_proj.weight", {384, 512}},
                                                                {"self_attn.k_proj.weight", {192, 512}},
                                                                {"self_attn.v_proj.weight", {192, 512}},
                                                                {"self_attn.q_proj.bias", {384}},
                                                                {"self_attn.k_proj.bias", {192}},
                                                                {"self_attn.v_proj.bias", {192}},
                                                                {"self_attn.q_norm.weight", {96}},
                                                                {"self_attn.k_norm.weight", {96}},
                                                                {"self_attn.attn_sub_norm.weight", {384}},
                                                                {"self_attn.o_proj.rms_norm.weight", {384}},
                                                                {"self_attn.o_proj.weight", {512, 384}},
                                                                {"post_attention_layernorm.weight", {512}},
                                                                {"mlp.gate_proj.rms_norm.weight", {512}},
                                                                {"mlp.up_proj.rms_norm.weight", {512}},
                                                                {"mlp.gate_proj.weight", {768, 512}},
                                                                {"mlp.up_proj.weight", {768, 512}},
                                                                {"mlp.ffn_sub_norm.weight", {768}},
                                                                {"mlp.down_proj.rms_norm.weight", {768}},
                                                                {"mlp.down_proj.weight", {512, 768}}};
  for (size_t i = 0; i < std::size(layer); ++i) {
    const Parameter& p = all[24 + i];
    EXPECT_EQ(p.name, std::string("model.layers.1.") + layer[i].first);
    EXPECT_EQ(tensor_shape(p), layer[i].second) << p.name;
    EXPECT_EQ(p.layer, 1);
  }
  EXPECT_EQ(all.back().slot, Slot::kFinalNorm);
}

TEST(Variants, NamesAndPlacesAreInverse) {
  Config config = test::every_variant();
  config.linear_norms = LinearNorms::kWeighted;
  config.tied = false;
  for (const Parameter& p : parameters(config)) {
    const std::optional<Place> place = place_from_name(p.name);
    ASSERT_TRUE(place) << p.name;
    EXPECT_EQ(place->layer, p.layer);
    EXPECT_EQ(place->slot, p.slot);
    EXPECT_EQ(role_of(p.slot), p.role);
  }
  EXPECT_EQ(place_from_name("layers.7.mlp.up_proj")->layer, 7);
  EXPECT_EQ(place_from_name("model.layers.7.mlp.up_proj")->slot, Slot::kUp);
  EXPECT_EQ(place_from_name("lm_head")->slot, Slot::kHead);
  for (const char* name : {"", "layers.", "layers.x.mlp.up_proj", "layers.1.mlp", "mlp.up_proj",
                           "model.layers.99999999999.mlp.up_proj", "model.layers.-1.mlp.up_proj"})
    EXPECT_FALSE(place_from_name(name)) << name;
}

TEST(Variants, AreRefusedByName) {
  Config config = test::every_variant();
  config.activations = ActivationQuantizer::kInt8;
  config.linear_norms = LinearNorms::kPlain;
  const auto refused = [&](std::initializer_list<Variant> supported) {
    try {
      require_supported(config, "someone", supported);
      return std::string();
    } catch (const Error& error) {
      return std::string(error.what());
    }
  };
  const std::string all = refused({});
  for (const char* part :
       {"someone", "head_dim is 96", "biases", "hidden_act is \"relu2\"", "norms before o and down", "linear_norms is \"plain\"",
        "heads of q and k", "rope_scaling is \"yarn\"", "sliding_window is 64", "activation_quantizer is \"int8\""})
    EXPECT_NE(all.find(part), std::string::npos) << part << ": " << all;
  EXPECT_EQ(refused({Variant::kHeadDim, Variant::kQkvBias, Variant::kActivation, Variant::kSubNorms, Variant::kLinearNorms,
                     Variant::kHeadNorms, Variant::kRopeScaling, Variant::kWindow, Variant::kActivationQuantizer}),
            "");
  require_supported(plain(), "anyone");
}

}  // namespace
}  // namespace spectra::model
