// SPDX-License-Identifier: Apache-2.0
// Frequencies of RoPE against tests/golden/make_rope_golden.py.
#include "model/rope.h"

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "model/config.h"
#include "test_data.h"

namespace spectra::model {
namespace {

using nlohmann::json;

/// The rest of a config.json around the keys of RoPE.
Config config_with(const json& rope) {
  json document = {{"model_type", "llama"},  {"hidden_size", 256},       {"intermediate_size", 64},
                   {"num_hidden_layers", 1}, {"num_attention_heads", 2}, {"vocab_size", 128}};
  document.merge_patch(rope);
  return config_from_json(document.dump(), "config.json");
}

TEST(Rope, FrequenciesOfEveryScaling) {
  const json cases = json::parse(std::ifstream(test::golden("rope.json")));
  ASSERT_EQ(cases.size(), 7u);
  for (const json& one : cases) {
    const Config config = config_with({{"head_dim", one["head_dim"]},
                                       {"max_position_embeddings", one["max_position_embeddings"]},
                                       {"rope_theta", one["rope_theta"]},
                                       {"rope_scaling", one["rope_scaling"]}});
    const RopeFrequencies found = rope_frequencies(config.rope, config.head_dim(), config.max_position);
    EXPECT_NEAR(found.attention_factor, one["attention_factor"].get<double>(), 1e-14) << one["name"];
    const auto wanted = one["inverse_frequencies"].get<std::vector<double>>();
    ASSERT_EQ(found.inverse.size(), wanted.size()) << one["name"];
    for (size_t i = 0; i < wanted.size(); ++i) EXPECT_NEAR(found.inverse[i] / wanted[i], 1, 1e-13) << one["name"] << " " << i;
  }
}

TEST(Rope, TheDefaultIsThePowerItself) {
  const RopeFrequencies found = rope_frequencies({}, 64, 2048);
  for (size_t i = 0; i < 32; ++i) EXPECT_EQ(found.inverse[i], std::pow(10000.0, -2.0 * static_cast<double>(i) / 64));
  EXPECT_EQ(found.attention_factor, 1);
}

TEST(Rope, BothSpellingsOfConfigJson) {
  const json scaling = {{"rope_type", "yarn"}, {"factor", 4.0}, {"original_max_position_embeddings", 512}};
  json old = scaling, current = scaling;
  old.erase("rope_type");
  old["type"] = "yarn";
  current["rope_theta"] = 500000.0;
  for (const Config& config :
       {config_with({{"rope_theta", 500000.0}, {"rope_scaling", old}}), config_with({{"rope_parameters", current}})}) {
    EXPECT_EQ(config.rope.scaling, RopeScaling::kYarn);
    EXPECT_EQ(config.rope.theta, 500000.0f);
    EXPECT_EQ(config.rope.factor, 4);
    EXPECT_EQ(config.rope.original_positions, 512);
  }
  EXPECT_EQ(config_with({{"rope_scaling", {{"rope_type", "default"}}}}).rope.scaling, RopeScaling::kDefault);
}

TEST(Rope, WhatIsNotUnderstoodIsNamed) {
  const auto refused = [](const char* scaling) {
    try {
      config_with({{"rope_scaling", json::parse(scaling)}});
      return std::string();
    } catch (const Error& error) {
      return std::string(error.what());
    }
  };
  const std::pair<const char*, const char*> cases[] = {
      {R"({"rope_type":"longrope"})", "rope_scaling.rope_type is \"longrope\""},
      {R"({"rope_type":"linear"})", "factor is missing"},
      {R"({"rope_type":"linear","factor":0.5})", "factor is 0.5"},
      {R"({"rope_type":"linear","factor":2,"mscale":1})", "rope_scaling.mscale is 1"},
      {R"({"rope_type":"default","long_factor":[1]})", "rope_scaling.long_factor"},
      {R"({"rope_type":"llama3","factor":8,"low_freq_factor":1,"high_freq_factor":4})", "original_max_position_embeddings"},
      {R"({"rope_type":"llama3","factor":8,"low_freq_factor":4,"high_freq_factor":4,"original_max_position_embeddings":8192})",
       "high_freq_factor is 4"},
      {R"({"rope_type":"yarn","factor":8,"beta_fast":1,"beta_slow":32})", "beta_fast is 1"},
      {R"("yarn")", "rope_scaling is \"yarn\""}};
  for (const auto& item : cases) EXPECT_NE(refused(item.first).find(item.second), std::string::npos) << refused(item.first);
}

}  // namespace
}  // namespace spectra::model
