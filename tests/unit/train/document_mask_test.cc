// SPDX-License-Identifier: Apache-2.0
// Two documents packed into one sequence and kept apart by the mask behave as the two alone. Only positions differ, and RoPE sees
// their differences: equal up to the rounding of rotated queries and keys.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "base/system.h"
#include "unit/train/tiny_models.h"

namespace spectra::train {
namespace {

constexpr int64_t kFirst = 21, kSecond = 38, kMaskTime = kFirst + kSecond;

struct Result {
  std::vector<float> logprobs;
  std::vector<std::vector<float>> gradients;
};

/// Log-probabilities and gradients of one sequence of `count` tokens.
Result run(ops::Backend& backend, const model::Config& config, std::span<const int32_t> tokens, std::span<const int32_t> targets,
           std::span<const int32_t> first_keys) {
  Transformer transformer(backend, config, 1, static_cast<int64_t>(tokens.size()));
  transformer.initialize(1);
  for (TrainedParameter& p : transformer.parameters()) {  // larger than usual, so that attention matters
    std::vector<float> values(static_cast<size_t>(p.weight.size()));
    backend.copy_out(values.data(), p.weight);
    for (float& value : values) value *= p.info.role == model::Role::kNorm ? 1 : 8;
    backend.copy_in(p.weight, values.data());
  }
  transformer.quantize();
  Result result;
  result.logprobs.resize(tokens.size());
  transformer.evaluate(tokens, targets, result.logprobs, first_keys);
  transformer.forward_backward(tokens, targets, 1, first_keys);
  for (const TrainedParameter& p : transformer.parameters()) {
    result.gradients.emplace_back(static_cast<size_t>(p.gradient.size()));
    backend.copy_out(result.gradients.back().data(), p.gradient);
  }
  return result;
}

/// |a - b| / |b|, Euclidean.
double distance(const std::vector<float>& a, const std::vector<float>& b) {
  double difference = 0, size = 0;
  for (size_t i = 0; i < b.size(); ++i) {
    difference += std::pow(static_cast<double>(a[i]) - static_cast<double>(b[i]), 2);
    size += std::pow(static_cast<double>(b[i]), 2);
  }
  return std::sqrt(difference / size);
}

struct Case {
  std::string precision;
  double logprob, gradient;  ///< tolerances: absolute; relative to the norm of a parameter's gradient
};

class DocumentMask : public ::testing::TestWithParam<Case> {};
INSTANTIATE_TEST_SUITE_P(Precisions, DocumentMask,
                         ::testing::Values(Case{"reference-fp64", 1e-6, 1e-6}, Case{"reference", 1e-4, 1e-4},
                                           Case{"fp32", 1e-4, 1e-4}, Case{"bf16", 5e-2, 5e-2}, Case{"fp16", 1e-2, 1e-2}),
                         [](const auto& one) {
                           std::string name = one.param.precision;
                           for (char& c : name) c = c == '-' ? '_' : c;
                           return name;
                         });

TEST_P(DocumentMask, PackedDocumentsAreAsTwoAlone) {
  if (GetParam().precision == "bf16" && !cpu_features().avx512_bf16) GTEST_SKIP() << "SKIPPED: this CPU has no AVX512_BF16";
  model::Config config = test::tiny_config(model::Family::kTernary, 2);
  config.hidden = 64;
  config.kv_heads = 2;
  const auto backend = ops::make_backend("cpu", GetParam().precision);
  const std::vector<int32_t> tokens = test::tokens(1, kMaskTime, config.vocab), targets = test::tokens(2, kMaskTime, config.vocab);
  const std::span<const int32_t> all_tokens(tokens), all_targets(targets);
  std::vector<int32_t> first_keys(kFirst, 0);
  first_keys.resize(kMaskTime, kFirst);
  const Result packed = run(*backend, config, tokens, targets, first_keys), mixed = run(*backend, config, tokens, targets, {});
  Result alone = run(*backend, config, all_tokens.first(kFirst), all_targets.first(kFirst), {});
  const Result second = run(*backend, config, all_tokens.subspan(kFirst), all_targets.subspan(kFirst), {});
  alone.logprobs.insert(alone.logprobs.end(), second.logprobs.begin(), second.logprobs.end());

  double largest = 0, without = 0;
  for (size_t i = 0; i < packed.logprobs.size(); ++i) {
    largest = std::max(largest, std::fabs(static_cast<double>(packed.logprobs[i] - alone.logprobs[i])));
    without = std::max(without, std::fabs(static_cast<double>(mixed.logprobs[i] - alone.logprobs[i])));
  }
  EXPECT_LE(largest, GetParam().logprob);
  EXPECT_GT(without, 0.2) << "the mask makes no difference";
  for (size_t p = 0; p < packed.gradients.size(); ++p) {
    std::vector<float>& sum = alone.gradients[p];
    for (size_t i = 0; i < sum.size(); ++i) sum[i] += second.gradients[p][i];
    EXPECT_LE(distance(packed.gradients[p], sum), GetParam().gradient) << "parameter " << p;
  }
}

}  // namespace
}  // namespace spectra::train
