// SPDX-License-Identifier: Apache-2.0
// One whole forward and backward pass in bf16 and fp16 against the plain fp32 reference.
#include <gtest/gtest.h>

#include <cmath>
#include <tuple>

#include "base/system.h"
#include "unit/train/tiny_models.h"

namespace spectra::train {
namespace {

constexpr int64_t kHalfBatch = 3, kHalfTime = 40;  // 120 tokens: no multiple of a vector or of a block

struct Step {
  /// `loss_scale`: what the loss is multiplied by before the backward pass, the gradients being divided by it again.
  Step(const std::string& precision, const model::Config& config, float loss_scale = 1)
      : backend(ops::make_backend("cpu", precision)), transformer(*backend, config, kHalfBatch, kHalfTime) {
    const std::vector<int32_t> tokens = test::tokens(1, kHalfBatch * kHalfTime, config.vocab),
                               targets = test::tokens(2, kHalfBatch * kHalfTime, config.vocab);
    transformer.initialize(1);
    transformer.quantize();
    transformer.forward_backward(tokens, targets, loss_scale / (kHalfBatch * kHalfTime));
    loss = transformer.loss() / (kHalfBatch * kHalfTime);
  }
  std::unique_ptr<ops::Backend> backend;
  Transformer transformer;
  double loss;
};

model::Config small_config(model::Family family) {
  model::Config config = test::tiny_config(family, 2);
  config.hidden = 128;
  config.glu = 208;
  config.vocab = 160;
  return config;
}

struct Half {
  std::string precision;
  float loss_scale;
  double loss, gradient;  ///< tolerances, relative; a gradient's to its norm
};
const Half kHalves[] = {{"bf16", 1, 2e-3, 2e-2}, {"fp16", 1024, 2.5e-4, 2.5e-3}};

class HalfStep : public ::testing::TestWithParam<std::tuple<Half, model::Family>> {};
INSTANTIATE_TEST_SUITE_P(
    Families, HalfStep,
    ::testing::Combine(::testing::ValuesIn(kHalves),
                       ::testing::Values(model::Family::kFloat, model::Family::kTernary, model::Family::kBinary)),
    [](const auto& one) { return std::get<0>(one.param).precision + "_" + model::family_name(std::get<1>(one.param)); });

TEST_P(HalfStep, GradientsAreWithinRounding) {
  const Half& half = std::get<0>(GetParam());
  if (half.precision == "bf16" && !cpu_features().avx512_bf16) GTEST_SKIP() << "SKIPPED: this CPU has no AVX512_BF16";
  const model::Config config = small_config(std::get<1>(GetParam()));
  Step expected("reference", config), found(half.precision, config, half.loss_scale);
  EXPECT_NEAR(expected.loss, found.loss, half.loss * expected.loss);
  for (size_t p = 0; p < expected.transformer.parameters().size(); ++p) {
    const TrainedParameter &a = expected.transformer.parameters()[p], &b = found.transformer.parameters()[p];
    double error = 0, size = 0;
    for (int64_t i = 0; i < a.gradient.size(); ++i) {
      const double x = static_cast<double>(a.gradient.as<float>()[i]),
                   y = static_cast<double>(b.gradient.as<float>()[i] / half.loss_scale);
      error += (x - y) * (x - y);
      size += x * x;
    }
    EXPECT_GT(size, 0) << a.info.name;
    EXPECT_LE(std::sqrt(error / size), half.gradient) << a.info.name;
  }
}

/// A loss scale that is too large must not go unnoticed: it steers the next one.
TEST(HalfStep, Fp16OverflowMakesTheNormNotFiniteAndTheStepIsSkipped) {
  for (const model::Family family : {model::Family::kFloat, model::Family::kTernary, model::Family::kBinary}) {
    Step step("fp16", small_config(family), 1e9f);
    EXPECT_TRUE(std::isfinite(step.loss)) << "the loss itself is not scaled";
    ops::Buffer memory = step.backend->allocate(sizeof(double));
    const ops::Tensor norm(memory.data(), DType::kF64, 1, 1);
    for (const TrainedParameter& p : step.transformer.parameters()) step.backend->sum_squares(norm, p.gradient);
    EXPECT_FALSE(std::isfinite(*norm.as<double>())) << model::family_name(family);
    for (TrainedParameter& p : step.transformer.parameters()) {
      const float before = p.weight.as<float>()[0];
      step.backend->adamw(p.weight, p.gradient, p.moment1, p.moment2, {0.1f, 0.9f, 0.95f, 1e-8f, 0.1f, 1}, *norm.as<double>(),
                          1.0f);
      EXPECT_EQ(p.weight.as<float>()[0], before) << p.info.name;
    }
  }
}

}  // namespace
}  // namespace spectra::train
