// SPDX-License-Identifier: Apache-2.0
#include "model/weight_statistics.h"

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <set>

#include "base/error.h"
#include "model/packed_tensors.h"
#include "test_data.h"
#include "train/random_model.h"

namespace spectra::model {
namespace {

Config small(Family family) {
  Config config;
  config.hidden = 64;
  config.glu = 96;
  config.heads = config.kv_heads = 4;
  config.layers = 2;
  config.vocab = 256;
  config.shards = 2;
  config.family = family;
  return config;
}

void make(const fs::path& path, const Config& config, std::optional<lowbit::Format> packed) {
  fs::create_directory(path);
  train::write_random_model(path / "model.safetensors", config, packed, 3);
  std::ofstream(path / "config.json") << config_to_json(config, "float16", packed ? lowbit::format_name(*packed) : "");
}

WeightStatistics statistics_of(const fs::path& path, const Config& config) {
  return weight_statistics(format::ModelDirectory(path), config);
}

TEST(WeightStatistics, PackedAndUnpackedAgreeWithTheValues) {
  const test::TemporaryDirectory temporary;
  const Config config = small(Family::kTernary);
  make(temporary / "plain", config, std::nullopt);
  make(temporary / "packed", config, lowbit::Format::kTern1_6);
  const WeightStatistics plain = statistics_of(temporary / "plain", config), packed = statistics_of(temporary / "packed", config);
  const format::ModelDirectory directory(temporary / "plain");
  ASSERT_EQ(plain.matrices.size(), 14u);
  ASSERT_EQ(packed.matrices.size(), 14u);
  for (size_t i = 0; i < plain.matrices.size(); ++i) {
    const MatrixStatistics& matrix = plain.matrices[i];
    const Parameter& p = matrix.parameter;
    std::vector<float> values(static_cast<size_t>(p.rows * p.cols));
    format::read_floats(directory.get(p.name), values.data());
    int64_t zeros = 0;
    std::set<float> magnitudes;
    for (const float value : values) {
      zeros += value == 0;
      if (value != 0) magnitudes.insert(std::fabs(value));
    }
    EXPECT_EQ(matrix.zeros, zeros);
    EXPECT_EQ(packed.matrices[i].zeros, zeros);
    EXPECT_EQ(std::set<float>(matrix.scales.begin(), matrix.scales.end()), magnitudes);
    EXPECT_EQ(packed.matrices[i].scales, matrix.scales);
    EXPECT_EQ(matrix.bytes, static_cast<uint64_t>(2 * p.rows * p.cols));
    EXPECT_EQ(packed.matrices[i].bytes, packed_bytes(packed_shape(p, lowbit::Format::kTern1_6, 2)));
  }
}

TEST(WeightStatistics, SeesTheFamilyOfForeignModels) {
  for (const Family family : {Family::kFloat, Family::kTernary, Family::kBinary}) {
    const test::TemporaryDirectory temporary;
    Config config = small(family);
    make(temporary / "m", config, std::nullopt);
    config.family = Family::kFloat;  // as config.json of another tool reads
    const WeightStatistics statistics = statistics_of(temporary / "m", config);
    EXPECT_EQ(statistics.family, family);
    EXPECT_EQ(statistics.family_from_weights, family != Family::kFloat);
    EXPECT_EQ(statistics.matrices[0].scales.size(), family == Family::kFloat ? 0u : 2u);
    EXPECT_EQ(statistics.matrices[0].zeros != 0, family == Family::kTernary);
  }
}

TEST(WeightStatistics, RefusesWhatDoesNotFit) {
  const test::TemporaryDirectory temporary;
  Config config = small(Family::kFloat);
  make(temporary / "m", config, std::nullopt);
  const auto complaint = [&] {
    try {
      statistics_of(temporary / "m", config);
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  EXPECT_EQ(complaint(), "");
  config.family = Family::kTernary;  // the weights are not
  EXPECT_NE(complaint().find("model.layers."), std::string::npos);
  config.family = Family::kFloat;
  config.vocab = 128;
  EXPECT_NE(complaint().find("embed_tokens.weight has shape [256, 64], config.json asks for [128, 64]"), std::string::npos)
      << complaint();
  config.vocab = 256;
  config.layers = 3;
  EXPECT_NE(complaint().find("model.layers.2"), std::string::npos);
}

}  // namespace
}  // namespace spectra::model
