// SPDX-License-Identifier: Apache-2.0
// Distributions, entropies, connections and flips of weights that are known.
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>

#include "analysis/weights/connections.h"
#include "analysis/weights/histogram.h"
#include "base/error.h"
#include "base/rng.h"
#include "test_data.h"
#include "train/random_model.h"

namespace spectra::analysis {
namespace {

using model::Family;

constexpr double kSigma = 0.02;

std::vector<float> normal_weights(size_t count) {
  std::vector<float> values;
  for (size_t i = 0; i < count; ++i) values.push_back(static_cast<float>(0.001 + kSigma * Rng(4).normal_at(i)));
  return values;
}

TEST(Entropy, OfNormalWeights) {
  Moments moments;
  Histogram histogram(1);
  const std::vector<float> values = normal_weights(400000);
  moments.add(std::span(values).first(1000));
  Moments rest;
  rest.add(std::span(values).subspan(1000));
  moments.merge(rest);
  histogram.add(values);
  const GaussianFit fit = fit_gaussian(moments);
  EXPECT_NEAR(fit.mean, 0.001, 1e-4);
  EXPECT_NEAR(fit.sigma, kSigma, 1e-4);
  EXPECT_NEAR(fit.excess_kurtosis, 0, 0.03);
  EXPECT_LT(histogram.distance_from(fit), 0.003);
  EXPECT_GT(histogram.distance_from({0.011, kSigma, 0}), 0.18);  // half a sigma off: 2 Phi(1/4) - 1 = 0.197
  EXPECT_LT(histogram.distance_from({0.011, kSigma, 0}), 0.21);
  // The entropy of bins of width d is that of the density minus log2 d, where the bins are narrow.
  for (const int bins : {500, 900})
    EXPECT_NEAR(shannon_entropy(histogram.counts(bins)), differential_entropy(kSigma) - std::log2(2.0 / bins), 0.01) << bins;
}

TEST(Entropy, KnownValues) {
  EXPECT_NEAR(differential_entropy(0.0254), -3.252, 1e-3);  // the paper's 99M and 3.9B
  EXPECT_NEAR(differential_entropy(0.0200), -3.597, 1e-3);
  EXPECT_NEAR(differential_entropy(1), 2.0471, 1e-4);
  EXPECT_NEAR(shannon_entropy({1, 1, 1, 1, 0, 0}), 2, 1e-12);
  EXPECT_NEAR(shannon_entropy({3, 1}), 0.811278, 1e-6);
  EXPECT_EQ(shannon_entropy({0, 7}), 0);
}

TEST(Entropy, UniformWeightsAreNotNormal) {
  std::vector<float> values;
  for (int i = 0; i < 100000; ++i) values.push_back(static_cast<float>((i + 0.5) / 100000 - 0.5));
  Moments moments;
  moments.add(values);
  Histogram histogram(1);
  histogram.add(values);
  EXPECT_NEAR(fit_gaussian(moments).excess_kurtosis, -1.2, 1e-3);
  EXPECT_NEAR(shannon_entropy(histogram.counts(100)), std::log2(50), 1e-3);
  EXPECT_NEAR(histogram.distance_from(fit_gaussian(moments)), 0.0572, 1e-3);
}

TEST(Histogram, BinsAreExactAndHoldEverything) {
  Histogram histogram(2);
  const std::vector<float> values = {-5, -2, -1.999f, -0.001f, 0, 0.999f, 1, 1.999f, 2, 7};
  histogram.add(values);
  EXPECT_EQ(histogram.counts(4), (std::vector<int64_t>{3, 1, 2, 4}));
  histogram.merge(histogram);
  EXPECT_EQ(histogram.counts(2), (std::vector<int64_t>{8, 12}));
  EXPECT_THROW(histogram.counts(11), Error);
}

TEST(Histogram, PlacesOfMatrices) {
  const MatrixPlace place = place_of({"", model::Role::kLinear, model::ShardAxis::kRows, 1, 1, false, 13, model::Slot::kQ});
  EXPECT_EQ(place.layer, 13u);
  EXPECT_EQ(place.projection, "q_proj");
}

model::Config small(Family family) {
  model::Config config;
  config.hidden = 64;
  config.glu = 96;
  config.heads = config.kv_heads = 4;
  config.layers = 2;
  config.vocab = 256;
  config.shards = 2;
  config.family = family;
  return config;
}

fs::path make(const fs::path& path, Family family, std::optional<lowbit::Format> packed, uint64_t seed) {
  fs::create_directory(path);
  const model::Config config = small(family);
  train::write_random_model(path / "model.safetensors", config, packed, seed);
  std::ofstream(path / "config.json") << model::config_to_json(config, "float16", packed ? lowbit::format_name(*packed) : "");
  return path;
}

/// All linear matrices of an unpacked model, as stored.
std::vector<std::vector<float>> values_of(const format::ModelDirectory& directory, Family family) {
  std::vector<std::vector<float>> all;
  for (const model::Parameter& parameter : model::parameters(small(family))) {
    if (parameter.role != model::Role::kLinear) continue;
    all.emplace_back(static_cast<size_t>(parameter.rows * parameter.cols));
    format::read_floats(directory.get(parameter.name), all.back().data());
  }
  return all;
}

TEST(WeightHistograms, CountEveryLinearWeightOnce) {
  const test::TemporaryDirectory temporary;
  const format::ModelDirectory plain(make(temporary / "plain", Family::kTernary, std::nullopt, 3));
  const format::ModelDirectory packed(make(temporary / "packed", Family::kTernary, lowbit::Format::kTern2, 3));
  const WeightHistograms a = weight_histograms(plain, 1), b = weight_histograms(packed, 1);
  ASSERT_EQ(a.matrices.size(), 14u);
  EXPECT_EQ(a.by_kind.size(), 8u);
  Moments all;
  for (const auto& values : values_of(plain, Family::kTernary)) all.add(values);
  int64_t counted = 0;
  for (const int64_t count : a.by_kind.at("all").counts(100)) counted += count;
  EXPECT_EQ(counted, all.count);
  Moments read;
  for (const MatrixWeights& matrix : a.matrices) read.merge(matrix.moments);
  EXPECT_EQ(read.count, all.count);
  EXPECT_EQ(read.zeros, all.zeros);
  EXPECT_NEAR(read.squares, all.squares, 1e-9 * all.squares);
  for (const auto& [kind, histogram] : a.by_kind) EXPECT_EQ(histogram.counts(900), b.by_kind.at(kind).counts(900)) << kind;
}

TEST(Connections, CountsOfHeadsAndNeurons) {
  const test::TemporaryDirectory temporary;
  const format::ModelDirectory plain(make(temporary / "plain", Family::kTernary, std::nullopt, 3));
  const format::ModelDirectory packed(make(temporary / "packed", Family::kTernary, lowbit::Format::kTern1_6, 3));
  const auto all = connections(plain), from_packed = connections(packed);
  const auto values = values_of(plain, Family::kTernary);
  ASSERT_EQ(all.size(), 14u);
  for (size_t i = 0; i < all.size(); ++i) {
    const std::string& kind = all[i].place.projection;
    const bool columns = kind == "o_proj" || kind == "down_proj", heads = kind.size() == 6;
    ASSERT_EQ(all[i].parts.size(), heads ? 4u : 96u);
    const size_t cols = kind == "down_proj" ? 96 : 64, rows = values[i].size() / cols, width = heads ? 16 : 1;
    std::vector<Codes3> parts(all[i].parts.size());
    for (size_t r = 0; r < rows; ++r)
      for (size_t c = 0; c < cols; ++c) {
        const float value = values[i][r * cols + c];
        Codes3& part = parts[(columns ? c : r) / width];
        (value == 0 ? part.zero : value > 0 ? part.plus : part.minus) += 1;
      }
    for (size_t p = 0; p < parts.size(); ++p)
      for (const auto* other : {&all[i].parts[p], &from_packed[i].parts[p]}) {
        EXPECT_EQ(other->minus, parts[p].minus) << kind << p;
        EXPECT_EQ(other->zero, parts[p].zero);
        EXPECT_EQ(other->plus, parts[p].plus);
      }
    EXPECT_EQ(all[i].all.total(), static_cast<int64_t>(values[i].size()));
    EXPECT_GT(all[i].all.zero, 0);
  }
}

TEST(Connections, FlipsBetweenTwoModels) {
  const test::TemporaryDirectory temporary;
  const format::ModelDirectory a(make(temporary / "a", Family::kTernary, std::nullopt, 3));
  const format::ModelDirectory b(make(temporary / "b", Family::kTernary, std::nullopt, 4));
  const auto before = values_of(a, Family::kTernary), after = values_of(b, Family::kTernary);
  const std::vector<Flips> found = flips(a, b);
  for (size_t i = 0; i < found.size(); ++i) {
    int64_t to_zero = 0, from_zero = 0, signs = 0;
    for (size_t j = 0; j < before[i].size(); ++j) {
      to_zero += before[i][j] != 0 && after[i][j] == 0;
      from_zero += before[i][j] == 0 && after[i][j] != 0;
      signs += before[i][j] * after[i][j] < 0;
    }
    EXPECT_EQ(found[i].to_zero, to_zero);
    EXPECT_EQ(found[i].from_zero, from_zero);
    EXPECT_EQ(found[i].sign_changes, signs);
    EXPECT_GT(signs, 0);
    EXPECT_EQ(found[i].weights, static_cast<int64_t>(before[i].size()));
  }
  for (const Flips& none : flips(a, a)) EXPECT_EQ(none.to_zero + none.from_zero + none.sign_changes, 0);
}

TEST(Connections, DifferentShapesAreRefusedBeforeAnyWeightIsRead) {
  const test::TemporaryDirectory temporary;
  const format::ModelDirectory narrow(make(temporary / "narrow", Family::kFloat, std::nullopt, 3));
  const fs::path path = make(temporary / "wide", Family::kFloat, std::nullopt, 3);
  auto config = nlohmann::json::parse(read_file(path / "config.json"));
  config["num_hidden_layers"] = 1;
  write_file(path / "config.json", config.dump());
  const format::ModelDirectory shallow(path);
  try {
    flips(narrow, shallow);  // that they are float models would be found by reading them
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("different shapes"), std::string::npos) << error.what();
  }
}

TEST(Connections, FloatModelsHaveNone) {
  const test::TemporaryDirectory temporary;
  const format::ModelDirectory directory(make(temporary / "m", Family::kFloat, std::nullopt, 3));
  EXPECT_THROW(connections(directory), Error);
  EXPECT_THROW(flips(directory, directory), Error);
  EXPECT_THROW(weight_histograms(directory, 0), Error);
}

}  // namespace
}  // namespace spectra::analysis
