// SPDX-License-Identifier: Apache-2.0
// What an architecture may have beyond a plain Llama: alone and all at once, against the definition in double precision.
#include <gtest/gtest.h>

#include <functional>
#include <ostream>
#include <string>
#include <vector>

#include "base/parallel.h"
#include "every_variant.h"
#include "infer/engine.h"
#include "plain_forward.h"

namespace spectra::infer {
namespace {

using model::Config;
using model::Family;
using test::all_logits;

struct Variant {
  const char* name;
  std::function<void(Config&)> apply;
};
void PrintTo(const Variant& variant, std::ostream* out) { *out << variant.name; }

const Variant kVariants[] = {
    {"plain", [](Config&) {}},
    {"head_dim", [](Config& c) { c.head_size = 24; }},
    {"qkv_bias", [](Config& c) { c.qkv_bias = true; }},
    {"relu2", [](Config& c) { c.activation = model::Activation::kRelu2; }},
    {"gelu", [](Config& c) { c.activation = model::Activation::kGelu; }},
    {"sub_norms", [](Config& c) { c.sub_norms = true; }},
    {"plain_linear_norms", [](Config& c) { c.linear_norms = model::LinearNorms::kPlain; }},
    {"weighted_linear_norms", [](Config& c) { c.linear_norms = model::LinearNorms::kWeighted; }},
    {"head_norms", [](Config& c) { c.head_norms = true; }},
    {"linear_rope", [](Config& c) { c.rope.scaling = model::RopeScaling::kLinear, c.rope.factor = 3; }},
    {"llama3_rope",
     [](Config& c) { c.rope.scaling = model::RopeScaling::kLlama3, c.rope.factor = 8, c.rope.original_positions = 32; }},
    {"yarn_rope", [](Config& c) { c.rope.scaling = model::RopeScaling::kYarn, c.rope.factor = 4, c.rope.original_positions = 32; }},
    {"window", [](Config& c) { c.window = 37; }},
    {"window_of_one", [](Config& c) { c.window = 1; }},
    {"window_beyond_the_text", [](Config& c) { c.window = 1000; }},
};

class EachVariant : public testing::TestWithParam<Variant> {};

TEST_P(EachVariant, ComputesTheDefinition) {
  Config config = test::small_config(Family::kFloat);
  config.max_position = 160;
  GetParam().apply(config);
  const test::RandomModel random = test::random_model(config, 0, 21);
  const test::TemporaryDirectory directory;
  test::write_unpacked(random, directory / "model", DType::kF32);
  const std::vector<int32_t> tokens = test::random_tokens(150, config.vocab, 4);
  Engine engine(load_model(directory / "model"), {.activations = ActivationType::kFp32});
  const std::vector<float> found = all_logits(engine, tokens, 150);
  EXPECT_LT(test::relative_error(found, test::PlainForward(random).logits(tokens)), 2e-5);
  for (const size_t chunk : {1, 47}) EXPECT_EQ(all_logits(engine, tokens, chunk), found) << chunk;
}
INSTANTIATE_TEST_SUITE_P(Variants, EachVariant, testing::ValuesIn(kVariants),
                         [](const auto& each) { return std::string(each.param.name); });

TEST(Variants, EachChangesTheLogits) {
  Config plain = test::small_config(Family::kFloat);
  plain.max_position = 160;
  const std::vector<int32_t> tokens = test::random_tokens(60, plain.vocab, 4);
  const auto logits = [&](const Variant& variant) {
    Config config = plain;
    variant.apply(config);
    return test::PlainForward(test::random_model(config, 0, 21)).logits(tokens);
  };
  const std::vector<float> without = logits(kVariants[0]);
  for (const Variant& variant : kVariants) {
    const std::string name = variant.name;
    if (name == "plain" || name == "window_beyond_the_text") continue;
    EXPECT_GT(test::relative_error(logits(variant), without), 1e-3) << name;
  }
}

/// All variants at once, ternary; a text longer than the window and than a page.
class EveryVariant : public testing::Test {
 protected:
  void SetUp() override {
    Config config = test::every_variant();
    config.family = Family::kTernary;
    config.shards = 2;
    config.linear_norms = model::LinearNorms::kWeighted;
    model_ = test::random_model(config, config.shards, 31, true);
    test::write_unpacked(model_, directory_ / "unpacked", DType::kF16);
    test::write_packed(model_, directory_ / "packed", lowbit::Format::kTern2);
    tokens_ = test::random_tokens(170, model_.config.vocab, 5);
  }
  test::TemporaryDirectory directory_;
  test::RandomModel model_;
  std::vector<int32_t> tokens_;
};

TEST_F(EveryVariant, ComputesTheDefinition) {
  const std::vector<float> expected = test::PlainForward(model_).logits(tokens_);
  for (const char* name : {"unpacked", "packed"}) {
    Engine engine(load_model(directory_ / name), {.activations = ActivationType::kFp32});
    EXPECT_LT(test::relative_error(all_logits(engine, tokens_, 170), expected), 2e-5) << name;
  }
  Engine int8(load_model(directory_ / "packed"), {.activations = ActivationType::kInt8});
  EXPECT_LT(test::relative_error(all_logits(int8, tokens_, 170), expected), 0.06);
}

TEST_F(EveryVariant, GivesTheSameBitsHoweverTheTextIsCut) {
  for (const ActivationType activations : {ActivationType::kFp32, ActivationType::kInt8})
    for (const KvType kv : {KvType::kFp32, KvType::kFp16, KvType::kInt8}) {
      Engine engine(load_model(directory_ / "packed"), {.activations = activations, .kv_type = kv});
      const std::vector<float> whole = all_logits(engine, tokens_, 170);
      for (const size_t chunk : {1, 65}) EXPECT_EQ(all_logits(engine, tokens_, chunk), whole) << kv_type_name(kv) << " " << chunk;
    }
}

TEST_F(EveryVariant, GivesTheSameBitsWithAnyThreadsAndInstructions) {
  const std::vector<int32_t> tokens(tokens_.begin(), tokens_.begin() + 90);
  const auto model = load_model(directory_ / "packed");
  for (const ActivationType activations : {ActivationType::kFp32, ActivationType::kInt8}) {
    Engine engine(model, {.activations = activations});
    const std::vector<float> expected = all_logits(engine, tokens, 90);
    for (const int threads : {1, 3}) {
      set_compute_threads(threads);
      EXPECT_EQ(all_logits(engine, tokens, 33), expected) << threads;
    }
    set_compute_threads(0);
    for (const kernels::Isa isa : kernels::available_isas()) {
      Engine other(model, {activations, &kernels::kernels_for(isa)});
      EXPECT_EQ(all_logits(other, tokens, 64), expected) << kernels::isa_name(isa);
    }
  }
}

TEST_F(EveryVariant, GivesTheSameBitsInABatch) {
  Engine engine(load_model(directory_ / "packed"), {.activations = ActivationType::kInt8, .kv_bytes = 16 << 20});
  const std::vector<float> alone = all_logits(engine, tokens_, 170);
  Batch batch;
  const int32_t ours = engine.open_sequence(), other = engine.open_sequence();
  for (int32_t position = 0; position < 170; ++position) {
    batch.logits_at.push_back(static_cast<int32_t>(batch.tokens.size()));
    batch.add(tokens_[static_cast<size_t>(position)], position, ours);
    batch.add((position * 31 + 7) % 256, position, other);
  }
  EXPECT_EQ(engine.forward(batch).logits, alone);
}

TEST_F(EveryVariant, TokensBeforeTheWindowsDoNotCount) {
  // Through all layers, the last token sees so many tokens before it.
  const int64_t reach = model_.config.layers * (model_.config.window - 1);
  std::vector<int32_t> other = tokens_;
  for (size_t i = 0; i + 1 + static_cast<size_t>(reach) < tokens_.size(); ++i) other[i] = (other[i] + 1) % 256;
  ASSERT_NE(other, tokens_);
  Engine engine(load_model(directory_ / "packed"), {.activations = ActivationType::kInt8});
  const auto last = [&](const std::vector<int32_t>& tokens) {
    const std::vector<float> logits = all_logits(engine, tokens, 64);
    return std::vector<float>(logits.end() - 256, logits.end());
  };
  EXPECT_EQ(last(other), last(tokens_));
}

}  // namespace
}  // namespace spectra::infer
