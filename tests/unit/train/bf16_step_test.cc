// SPDX-License-Identifier: Apache-2.0
// One whole forward and backward pass in bf16 against the plain fp32 reference.
#include <gtest/gtest.h>

#include <cmath>

#include "base/system.h"
#include "unit/train/tiny_models.h"

namespace spectra::train {
namespace {

constexpr int64_t kBatch = 3, kTime = 40;  // 120 tokens: no multiple of a vector or of a block

struct Step {
  Step(const std::string& precision, const model::Config& config)
      : backend(ops::make_backend(precision)), transformer(*backend, config, kBatch, kTime) {
    const std::vector<int32_t> tokens = test::tokens(1, kBatch * kTime, config.vocab),
                               targets = test::tokens(2, kBatch * kTime, config.vocab);
    transformer.initialize(1);
    transformer.quantize();
    transformer.forward_backward(tokens, targets, 1.0f / (kBatch * kTime));
    loss = transformer.loss() / (kBatch * kTime);
  }
  std::unique_ptr<ops::Backend> backend;
  Transformer transformer;
  double loss;
};

class Bf16Step : public ::testing::TestWithParam<model::Family> {};
INSTANTIATE_TEST_SUITE_P(Families, Bf16Step,
                         ::testing::Values(model::Family::kFloat, model::Family::kTernary, model::Family::kBinary),
                         [](const auto& family) { return std::string(model::family_name(family.param)); });

TEST_P(Bf16Step, GradientsAreWithinRounding) {
  if (!cpu_features().avx512_bf16) GTEST_SKIP() << "SKIPPED: this CPU has no AVX512_BF16";
  model::Config config = test::tiny_config(GetParam(), 2);
  config.hidden = 128;
  config.glu = 208;
  config.vocab = 160;
  Step expected("reference", config), found("bf16", config);
  EXPECT_NEAR(expected.loss, found.loss, 2e-3 * expected.loss);
  for (size_t p = 0; p < expected.transformer.parameters().size(); ++p) {
    const TrainedParameter &a = expected.transformer.parameters()[p], &b = found.transformer.parameters()[p];
    double error = 0, size = 0;
    for (int64_t i = 0; i < a.gradient.size(); ++i) {
      const double x = static_cast<double>(a.gradient.as<float>()[i]), y = static_cast<double>(b.gradient.as<float>()[i]);
      error += (x - y) * (x - y);
      size += x * x;
    }
    EXPECT_GT(size, 0) << a.info.name;
    EXPECT_LE(std::sqrt(error / size), 2e-2) << a.info.name;
  }
}

}  // namespace
}  // namespace spectra::train
