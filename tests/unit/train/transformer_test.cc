// SPDX-License-Identifier: Apache-2.0
// The whole model: gradients against finite differences in fp64, independence of sequences, accumulation, learning.
#include "train/transformer.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "base/error.h"
#include "base/rng.h"
#include "every_variant.h"
#include "ops/reference/reference_backend.h"
#include "unit/train/tiny_models.h"

namespace spectra::train {
namespace {

constexpr int64_t kBatch = 2, kTime = 6;
constexpr size_t kTokens = 12;

struct TinyTransformer {
  explicit TinyTransformer(const model::Config& config, int64_t batch = kBatch)
      : transformer(backend, config, batch, kTime),
        tokens(test::tokens(1, kTokens, config.vocab)),
        targets(test::tokens(2, kTokens, config.vocab)) {
    transformer.initialize(3);
    // With N(0, 0.02²) the layers hardly matter: larger weights make every path count.
    for (TrainedParameter& p : transformer.parameters()) {
      for (int64_t i = 0; i < p.weight.size(); ++i) p.weight.as<double>()[i] *= p.info.role == model::Role::kNorm ? 1 : 15;
    }
    transformer.quantize();
    targets[4] = -1;
  }
  double loss() {
    transformer.reset_loss();
    transformer.quantize();
    transformer.evaluate(tokens, targets);
    return transformer.loss();
  }
  ops::ReferenceBackend<double> backend;
  Transformer transformer;
  std::vector<int32_t> tokens, targets;
};

/// <gradient, direction> against the central difference along `direction`, twice for every parameter.
void expect_gradients(const model::Config& config) {
  constexpr float kScale = 0.125f;
  constexpr double kStep = 1e-5;
  TinyTransformer tiny(config);
  tiny.transformer.forward_backward(tiny.tokens, tiny.targets, kScale);
  uint64_t stream = 0;
  for (TrainedParameter& p : tiny.transformer.parameters()) {
    for (int repeat = 0; repeat < 2; ++repeat) {
      const Rng rng(11, stream++);
      double *w = p.weight.as<double>(), *g = p.gradient.as<double>(), slope = 0, size = 0;
      const auto move = [&](double distance) {
        for (int64_t i = 0; i < p.weight.size(); ++i) w[i] += distance * rng.normal_at(static_cast<uint64_t>(i));
      };
      for (int64_t i = 0; i < p.weight.size(); ++i) {
        slope += g[i] * rng.normal_at(static_cast<uint64_t>(i));
        size += g[i] * g[i];
      }
      move(kStep);
      const double above = tiny.loss();
      move(-2 * kStep);
      const double below = tiny.loss();
      move(kStep);
      EXPECT_GT(size, 0) << p.info.name;
      EXPECT_NEAR(slope, kScale * (above - below) / (2 * kStep), 1e-6 * std::sqrt(size)) << p.info.name;
    }
  }
}

TEST(TransformerGradients, EveryVariant) { expect_gradients(test::every_variant_small()); }

TEST(TransformerGradients, NormsBeforeLinears) {
  for (const model::LinearNorms norms : {model::LinearNorms::kPlain, model::LinearNorms::kWeighted}) {
    model::Config config = test::every_variant_small();
    config.linear_norms = norms;
    config.activation = model::Activation::kGelu;
    expect_gradients(config);
  }
}

TEST(TransformerGradients, Float) { expect_gradients(test::tiny_config(model::Family::kFloat)); }

TEST(TransformerGradients, GroupedQueriesAndTiedEmbeddings) {
  model::Config config = test::tiny_config(model::Family::kFloat);
  config.kv_heads = 2;
  config.tied = true;
  expect_gradients(config);
}

class EveryFamily : public ::testing::TestWithParam<model::Family> {};
INSTANTIATE_TEST_SUITE_P(Families, EveryFamily,
                         ::testing::Values(model::Family::kFloat, model::Family::kTernary, model::Family::kBinary),
                         [](const auto& family) { return std::string(model::family_name(family.param)); });

TEST_P(EveryFamily, SequencesOfABatchAreIndependent) {
  const model::Config config = test::tiny_config(GetParam(), 2);
  TinyTransformer both(config), single(config, 1);
  std::vector<float> together(kTokens), alone(kTokens);
  both.transformer.evaluate(both.tokens, both.targets, together);
  const std::span<const int32_t> tokens(both.tokens), targets(both.targets);
  for (size_t row : {size_t{0}, size_t{6}}) {
    single.transformer.evaluate(tokens.subspan(row, 6), targets.subspan(row, 6), std::span(alone).subspan(row, 6));
  }
  EXPECT_EQ(together, alone);
  EXPECT_EQ(together[4], 0.0f);
  EXPECT_NEAR(both.transformer.loss(), single.transformer.loss(), 1e-12);
  double sum = 0;
  for (const float logprob : together) sum -= static_cast<double>(logprob);
  EXPECT_NEAR(both.transformer.loss(), sum, 1e-4);
}

TEST_P(EveryFamily, GradientsOfMicroBatchesAddUp) {
  const model::Config config = test::tiny_config(GetParam(), 2);
  TinyTransformer both(config), single(config, 1);
  both.transformer.forward_backward(both.tokens, both.targets, 0.5f);
  const std::span<const int32_t> tokens(both.tokens), targets(both.targets);
  for (size_t row : {size_t{0}, size_t{6}})
    single.transformer.forward_backward(tokens.subspan(row, 6), targets.subspan(row, 6), 0.5f);
  for (size_t p = 0; p < both.transformer.parameters().size(); ++p) {
    const TrainedParameter &a = both.transformer.parameters()[p], &b = single.transformer.parameters()[p];
    for (int64_t i = 0; i < a.gradient.size(); ++i) {
      ASSERT_NEAR(a.gradient.as<double>()[i], b.gradient.as<double>()[i], 1e-12) << a.info.name;
    }
  }
}

TEST_P(EveryFamily, LearnsOneBatchByHeart) {
  TinyTransformer tiny(test::tiny_config(GetParam()));
  ops::Buffer memory = tiny.backend.allocate(sizeof(double));
  const ops::Tensor norm(memory.data(), DType::kF64, 1, 1);
  const double before = tiny.loss();
  for (int64_t step = 1; step <= 60; ++step) {
    tiny.transformer.quantize();
    tiny.transformer.forward_backward(tiny.tokens, tiny.targets, 1.0f / kTokens);
    tiny.backend.zero(norm);
    for (TrainedParameter& p : tiny.transformer.parameters()) tiny.backend.sum_squares(norm, p.gradient);
    for (TrainedParameter& p : tiny.transformer.parameters()) {
      tiny.backend.adamw(p.weight, p.gradient, p.moment1, p.moment2, {0.02f, 0.9f, 0.95f, 1e-8f, 0, step}, *norm.as<double>(),
                         1.0f);
    }
  }
  EXPECT_LT(tiny.loss(), before / 10);
}

TEST_P(EveryFamily, StartsFromTheSameWeights) {
  TinyTransformer tiny(test::tiny_config(GetParam())), floats(test::tiny_config(model::Family::kFloat));
  for (size_t p = 0; p < tiny.transformer.parameters().size(); ++p) {
    const TrainedParameter &a = tiny.transformer.parameters()[p], &b = floats.transformer.parameters()[p];
    ASSERT_EQ(a.info.name, b.info.name);
    EXPECT_EQ(std::memcmp(a.weight.data, b.weight.data, a.weight.bytes()), 0) << a.info.name;
  }
}

TEST(Transformer, InitialWeightsAreNormalWithDeviation002) {
  model::Config config = test::tiny_config(model::Family::kFloat);
  config.vocab = 2048;
  ops::ReferenceBackend<float> backend;
  Transformer transformer(backend, config, 1, 4);
  transformer.initialize(5);
  const ops::Tensor w = transformer.parameters().front().weight;
  double sum = 0, squares = 0;
  for (int64_t i = 0; i < w.size(); ++i) {
    sum += static_cast<double>(w.as<float>()[i]);
    squares += std::pow(static_cast<double>(w.as<float>()[i]), 2);
  }
  const double count = static_cast<double>(w.size());
  EXPECT_NEAR(sum / count, 0, 4 * 0.02 / std::sqrt(count));
  EXPECT_NEAR(std::sqrt(squares / count), 0.02, 4 * 0.02 / std::sqrt(2 * count));
  for (const TrainedParameter& p : transformer.parameters()) {
    if (p.info.role == model::Role::kNorm) {
      EXPECT_EQ(p.weight.as<float>()[0], 1.0f);
    }
  }
}

TEST(Transformer, CountsZerosAndFlips) {
  TinyTransformer tiny(test::tiny_config(model::Family::kTernary));
  TrainedParameter* q = nullptr;
  for (TrainedParameter& p : tiny.transformer.parameters()) {
    if (p.info.name == "model.layers.1.self_attn.q_proj.weight") q = &p;
  }
  ASSERT_NE(q, nullptr);
  const auto stats = [&] {
    return tiny.transformer.quantize_stats()[static_cast<size_t>(q - tiny.transformer.parameters().data())];
  };
  tiny.transformer.quantize();
  EXPECT_EQ(stats().flips, 0);
  EXPECT_GT(stats().zeros, 0);
  const double gamma = q->scales.as<double>()[0];
  int64_t zeros = 0;
  for (int64_t i = 0; i < q->weight.size(); ++i) zeros += std::fabs(q->weight.as<double>()[i]) <= gamma / 2;
  EXPECT_EQ(stats().zeros, zeros);
  for (int64_t i = 0; i < q->weight.size(); ++i) q->weight.as<double>()[i] *= -1;
  tiny.transformer.quantize();
  EXPECT_EQ(stats().flips, q->weight.size() - zeros);
}

TEST(Transformer, RefusesTokensOutsideTheVocabulary) {
  TinyTransformer tiny(test::tiny_config(model::Family::kFloat));
  for (const int32_t bad : {-1, 32}) {
    std::vector<int32_t> tokens = tiny.tokens;
    tokens[7] = bad;
    EXPECT_THROW(tiny.transformer.evaluate(tokens, tiny.targets), Error);
  }
  tiny.targets[0] = 32;
  EXPECT_THROW(tiny.transformer.evaluate(tiny.tokens, tiny.targets), Error);
}

TEST(Transformer, MemoryNeededIsWhatIsAllocated) {
  struct CountingBackend : ops::ReferenceBackend<float> {
    ops::Buffer allocate(size_t bytes) override {
      total += bytes;
      return ops::ReferenceBackend<float>::allocate(bytes);
    }
    uint64_t total = 0;
  };
  for (const bool tied : {false, true}) {
    model::Config config = test::tiny_config(model::Family::kTernary, 2);
    config.tied = tied;
    uint64_t before = UINT64_MAX;
    for (const Recompute recompute : {Recompute::kNone, Recompute::kSelective, Recompute::kFull}) {
      CountingBackend backend;
      Transformer transformer(backend, config, 2, 5, recompute);
      const uint64_t allocated = backend.total;
      EXPECT_EQ(Transformer::memory_needed(config, 2, 5, 4, recompute), allocated);
      EXPECT_LT(Transformer::memory_needed(config, 2, 5, 2, recompute), allocated);
      EXPECT_LT(allocated, before);
      before = allocated;
      const std::vector<int32_t> tokens = test::tokens(1, 10, config.vocab);
      transformer.initialize(1);
      transformer.quantize();
      transformer.forward_backward(tokens, tokens, 1);
      EXPECT_EQ(backend.total, allocated) << "a step allocates";
    }
  }
}

}  // namespace
}  // namespace spectra::train
