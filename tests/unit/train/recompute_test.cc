// SPDX-License-Identifier: Apache-2.0
// What is computed again in the backward pass changes no bit of the gradients.
#include <gtest/gtest.h>

#include <cstring>

#include "base/error.h"
#include "base/system.h"
#include "every_variant.h"
#include "unit/train/tiny_models.h"

namespace spectra::train {
namespace {

struct Model {
  std::string name;
  model::Config config;
};

std::vector<Model> models() {
  std::vector<Model> all = {{"float", test::tiny_config(model::Family::kFloat)},
                            {"ternary_shards", test::tiny_config(model::Family::kTernary, 2)},
                            {"grouped_tied", test::tiny_config(model::Family::kFloat)},
                            {"every_variant", test::every_variant_small()},
                            {"bitnet", test::tiny_config(model::Family::kTernary)}};
  all[2].config.kv_heads = 2;
  all[2].config.tied = true;
  model::apply_family(all[4].config, "bitnet");
  for (Model& model : all) {
    model.config.hidden = 64;
    model.config.layers = 3;
  }
  return all;
}

/// Loss and gradients of two micro-batches, as one vector.
std::vector<float> gradients(const std::string& precision, const model::Config& config, Recompute recompute) {
  constexpr int64_t kBatch = 2, kTime = 24;
  const auto backend = ops::make_backend("cpu", precision);
  Transformer transformer(*backend, config, kBatch, kTime, recompute);
  transformer.initialize(1);
  transformer.quantize();
  for (const uint64_t stream : {1u, 3u}) {
    transformer.forward_backward(test::tokens(stream, kBatch * kTime, config.vocab),
                                 test::tokens(stream + 1, kBatch * kTime, config.vocab), 1.0f / (kBatch * kTime));
  }
  std::vector<float> all = {static_cast<float>(transformer.loss())};
  for (const TrainedParameter& parameter : transformer.parameters()) {
    const size_t at = all.size();
    all.resize(at + static_cast<size_t>(parameter.gradient.size()));
    backend->copy_out(all.data() + at, parameter.gradient);
  }
  return all;
}

class RecomputeTest : public ::testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(Precisions, RecomputeTest, ::testing::Values("reference", "fp32", "bf16", "fp16"),
                         [](const auto& precision) { return precision.param; });

TEST_P(RecomputeTest, GradientsAreTheSameBits) {
  if (GetParam() == "bf16" && !cpu_features().avx512_bf16) GTEST_SKIP() << "SKIPPED: this CPU has no AVX512_BF16";
  for (const Model& model : models()) {
    const std::vector<float> kept = gradients(GetParam(), model.config, Recompute::kNone);
    for (const Recompute recompute : {Recompute::kSelective, Recompute::kFull}) {
      const std::vector<float> again = gradients(GetParam(), model.config, recompute);
      ASSERT_EQ(kept.size(), again.size());
      EXPECT_EQ(std::memcmp(kept.data(), again.data(), kept.size() * sizeof(float)), 0) << model.name;
    }
  }
}

TEST(Recompute, IsNamed) {
  EXPECT_EQ(recompute_from_name("none"), Recompute::kNone);
  EXPECT_EQ(recompute_from_name("selective"), Recompute::kSelective);
  EXPECT_EQ(recompute_from_name("full"), Recompute::kFull);
  EXPECT_THROW(recompute_from_name("all"), Error);
}

}  // namespace
}  // namespace spectra::train
