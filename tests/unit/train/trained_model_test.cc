// SPDX-License-Identifier: Apache-2.0
// What training exports is what inference runs: the two forward passes are written separately and meet here.
#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "base/half.h"
#include "base/rng.h"
#include "every_variant.h"
#include "format/model_directory.h"
#include "infer/engine.h"
#include "lowbit/packed.h"
#include "ops/backend.h"
#include "test_data.h"
#include "train/checkpoint.h"
#include "unit/train/tiny_models.h"

namespace spectra::train {
namespace {

constexpr int64_t kModelTime = 12;

void export_model(const fs::path& directory, ops::Backend& backend, Transformer& model) {
  fs::create_directories(directory);
  write_file(directory / "config.json", model::config_to_json(model.config(), "float16"));
  ModelFile file(directory / "model.safetensors", backend, model);
  std::vector<float> values;
  for (const TrainedParameter& parameter : model.parameters()) {
    values.resize(static_cast<size_t>(parameter.weight.size()));
    backend.copy_out(values.data(), parameter.weight);
    file.write(parameter.info, values);
  }
  file.close();
}

/// fp16 can hold every master weight afterwards, so that the export of embedding, head and norms loses nothing.
void round_masters(ops::Backend& backend, Transformer& model) {
  for (TrainedParameter& parameter : model.parameters()) {
    std::vector<float> values(static_cast<size_t>(parameter.weight.size()));
    backend.copy_out(values.data(), parameter.weight);
    for (float& value : values) value = round_to_fp16(value);
    backend.copy_in(parameter.weight, values.data());
  }
  model.quantize();
}

/// Norms and biases that differ from each other, as after training.
void disturb_vectors(ops::Backend& backend, Transformer& model) {
  for (TrainedParameter& parameter : model.parameters()) {
    if (!parameter.info.vector()) continue;
    std::vector<float> values(static_cast<size_t>(parameter.weight.size()));
    backend.copy_out(values.data(), parameter.weight);
    for (size_t i = 0; i < values.size(); ++i)
      values[i] += 0.2f * static_cast<float>(Rng(7, static_cast<uint64_t>(parameter.info.slot)).normal_at(i));
    backend.copy_in(parameter.weight, values.data());
  }
}

/// Scores `time` tokens by the training forward pass and by the engine, and compares the logprobs.
void expect_the_same(const model::Config& config, int64_t time, bool disturbed) {
  const auto backend = ops::make_backend("cpu", "reference");
  Transformer model(*backend, config, 1, time);
  model.initialize(3);
  if (disturbed) disturb_vectors(*backend, model);
  round_masters(*backend, model);
  const auto count = static_cast<size_t>(time);
  const std::vector<int32_t> tokens = test::tokens(1, count, config.vocab), targets = test::tokens(2, count, config.vocab);
  std::vector<float> expected(count);
  model.reset_loss();
  model.evaluate(tokens, targets, expected);

  const test::TemporaryDirectory temporary;
  export_model(temporary / "model", *backend, model);
  infer::Engine engine(infer::load_model(temporary / "model"), {.activations = infer::ActivationType::kFp32});
  infer::Batch batch;
  const int32_t sequence = engine.open_sequence();
  for (size_t i = 0; i < count; ++i) {
    batch.add(tokens[i], static_cast<int32_t>(i), sequence);
    batch.targets.push_back({static_cast<int32_t>(i), targets[i]});
  }
  const infer::Results& output = engine.forward(batch);
  for (size_t i = 0; i < expected.size(); ++i) EXPECT_NEAR(output.scores[i].logprob, expected[i], 2e-5) << "token " << i;
}

class TrainedModel : public testing::TestWithParam<model::Family> {};

TEST_P(TrainedModel, IsTheModelThatInferenceRuns) {
  model::Config config = test::tiny_config(GetParam(), GetParam() == model::Family::kFloat ? 1 : 2);
  config.max_position = kModelTime;
  expect_the_same(config, kModelTime, false);
}

INSTANTIATE_TEST_SUITE_P(Families, TrainedModel,
                         testing::Values(model::Family::kFloat, model::Family::kTernary, model::Family::kBinary),
                         [](const auto& p) { return model::family_name(p.param); });

TEST(TrainedVariants, AllAtOnceAreTheModelThatInferenceRuns) {
  for (const model::LinearNorms norms : {model::LinearNorms::kNone, model::LinearNorms::kPlain, model::LinearNorms::kWeighted}) {
    SCOPED_TRACE(model::linear_norms_name(norms));
    model::Config config = test::every_variant();  // the text is longer than its window, and than a page of keys
    config.family = model::Family::kTernary;
    config.shards = 2;
    config.linear_norms = norms;
    expect_the_same(config, 90, true);
  }
}

TEST(TrainedShards, SixShardsGiveAtMostSevenAbsoluteValues) {
  model::Config config = test::tiny_config(model::Family::kTernary, 6);
  config.hidden = 384, config.glu = 1152, config.heads = config.kv_heads = 6, config.layers = 1;
  const auto backend = ops::make_backend("cpu", "auto");
  Transformer model(*backend, config, 2, kModelTime);
  model.initialize(1);
  model.quantize();
  const std::vector<int32_t> tokens = test::tokens(1, 2 * kModelTime, config.vocab),
                             targets = test::tokens(2, 2 * kModelTime, config.vocab);
  for (int step = 1; step <= 4; ++step) {
    model.reset_loss();
    model.forward_backward(tokens, targets, 1.0f / (2 * kModelTime));
    const ops::AdamW hyper{0.02f, 0.9f, 0.95f, 1e-8f, 0.1f, step};
    for (TrainedParameter& p : model.parameters()) backend->adamw(p.weight, p.gradient, p.moment1, p.moment2, hyper, 0, 0);
    model.quantize();
  }
  const test::TemporaryDirectory temporary;
  export_model(temporary / "model", *backend, model);

  const format::ModelDirectory directory(temporary / "model");
  for (const model::Parameter& parameter : model::parameters(config)) {
    if (parameter.role != model::Role::kLinear) continue;
    std::vector<float> weights(static_cast<size_t>(parameter.rows * parameter.cols));
    format::read_floats(directory.get(parameter.name), weights.data());
    std::set<float> values;
    for (const float w : weights) values.insert(std::abs(w));
    EXPECT_LE(values.size(), 7u) << parameter.name;
    EXPECT_GE(values.size(), 3u) << parameter.name << ": the shards should have scales of their own";
    const lowbit::Codes codes =
        lowbit::find_codes(weights.data(), parameter.rows, parameter.cols, parameter.axis, 6, false, parameter.name);
    EXPECT_EQ(codes.axis, parameter.axis) << parameter.name;
    EXPECT_EQ(codes.bounds, model::shard_bounds(parameter, 6)) << parameter.name;
  }
}

}  // namespace
}  // namespace spectra::train
