// SPDX-License-Identifier: Apache-2.0
#include "infer/engine.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "base/parallel.h"
#include "infer/cpu/kv_memory.h"
#include "models.h"

namespace spectra::infer {
namespace {

using lowbit::Format;
using model::Family;
using test::all_logits;

struct Packing {
  Format format;
  Family family;
};
constexpr Packing kPackings[] = {
    {Format::kTern2, Family::kTernary}, {Format::kTern1_6, Family::kTernary}, {Format::kBin1, Family::kBinary}};

class PackedModels : public testing::TestWithParam<int64_t> {};

TEST_P(PackedModels, ComputeWithTheWeightsOfTheUnpackedOne) {
  for (const Packing& packing : kPackings) {
    const test::RandomModel m = test::random_model(test::small_config(packing.family), GetParam(), 7);
    const test::TemporaryDirectory directory;
    test::write_unpacked(m, directory / "unpacked");
    test::write_packed(m, directory / "packed", packing.format);
    Engine unpacked(load_model(directory / "unpacked"), {.activations = ActivationType::kFp32});
    Engine packed(load_model(directory / "packed"), {.activations = ActivationType::kFp32});
    EXPECT_TRUE(packed.model().packed());
    EXPECT_FALSE(unpacked.model().packed());
    const std::vector<int32_t> tokens = test::random_tokens(40, m.config.vocab, 1);
    const double error = test::relative_error(all_logits(packed, tokens, 40), all_logits(unpacked, tokens, 40));
    EXPECT_LT(error, 1e-5) << lowbit::format_name(packing.format);
    EXPECT_GT(error, 0);  // they do take different paths
  }
}
INSTANTIATE_TEST_SUITE_P(Shards, PackedModels, testing::Values(1, 2, 3, 4, 5, 6));

/// A packed model with everything uneven, and engines on it.
class Engines : public testing::Test {
 protected:
  void SetUp() override {
    model_ = test::random_model(test::small_config(Family::kTernary), 3, 11);
    test::write_packed(model_, directory_ / "packed", Format::kTern1_6);
    packed_ = load_model(directory_ / "packed");
    tokens_ = test::random_tokens(48, model_.config.vocab, 2);
  }
  uint64_t pages(int64_t count, ActivationType activations = ActivationType::kFp32) const {
    return static_cast<uint64_t>(count * kv_page_bytes(model_.config, default_kv_type(activations)));
  }

  test::TemporaryDirectory directory_;
  test::RandomModel model_;
  std::shared_ptr<const Model> packed_;
  std::vector<int32_t> tokens_;
};

TEST_F(Engines, LogitsDoNotDependOnHowAPromptIsCut) {
  for (const ActivationType activations : {ActivationType::kFp32, ActivationType::kInt8, ActivationType::kBf16}) {
    Engine engine(packed_, {.activations = activations});
    const std::vector<float> whole = all_logits(engine, tokens_, tokens_.size());
    for (const size_t chunk : {1, 7, 32}) EXPECT_EQ(all_logits(engine, tokens_, chunk), whole) << activations_name(activations);
  }
}

TEST_F(Engines, LogitsDoNotDependOnTheOtherSequencesOfABatch) {
  for (const ActivationType activations : {ActivationType::kFp32, ActivationType::kInt8}) {
    Engine engine(packed_, {.activations = activations, .kv_bytes = pages(5, activations)});
    const std::vector<float> alone = all_logits(engine, tokens_, tokens_.size());
    // Five sequences of different lengths, interleaved; the second holds the tokens above.
    Batch batch;
    std::vector<int32_t> ids;
    for (int i = 0; i < 5; ++i) ids.push_back(engine.open_sequence());
    for (int32_t position = 0; position < 60; ++position)
      for (size_t s = 0; s < ids.size(); ++s) {
        const bool ours = s == 1;
        if (ours && position >= 48) continue;
        if (ours) batch.logits_at.push_back(static_cast<int32_t>(batch.tokens.size()));
        batch.add(ours ? tokens_[static_cast<size_t>(position)] : static_cast<int32_t>((position * 31 + static_cast<int>(s)) % 150),
                  position, ids[s]);
      }
    EXPECT_EQ(engine.forward(batch).logits, alone) << activations_name(activations);
    for (const int32_t id : ids) engine.close_sequence(id);
  }
}

TEST_F(Engines, LogitsDoNotDependOnThreads) {
  for (const ActivationType activations : {ActivationType::kFp32, ActivationType::kInt8}) {
    Engine engine(packed_, {.activations = activations});
    set_compute_threads(1);
    const std::vector<float> one = all_logits(engine, tokens_, 16);
    for (const int threads : {2, 3, 8}) {
      set_compute_threads(threads);
      EXPECT_EQ(all_logits(engine, tokens_, 16), one) << threads;
    }
    set_compute_threads(0);
  }
}

TEST_F(Engines, EveryInstructionSetGivesTheSameBits) {
  test::write_unpacked(model_, directory_ / "fp16", DType::kF16);
  test::write_unpacked(model_, directory_ / "bf16", DType::kBf16);
  test::write_unpacked(model_, directory_ / "fp32", DType::kF32);
  for (const char* name : {"packed", "fp16", "bf16", "fp32"}) {
    const auto model = load_model(directory_ / name);
    for (const ActivationType activations : {ActivationType::kFp32, ActivationType::kInt8}) {
      if (activations == ActivationType::kInt8 && !model->packed()) continue;
      Engine scalar(model, {activations, &kernels::kernels_for(kernels::Isa::kScalar)});
      const std::vector<float> expected = all_logits(scalar, tokens_, 16);
      for (const kernels::Isa isa : kernels::available_isas()) {
        Engine engine(model, {activations, &kernels::kernels_for(isa)});
        EXPECT_EQ(all_logits(engine, tokens_, 16), expected) << name << " " << kernels::isa_name(isa);
      }
    }
  }
}

// bf16 has 2^-9 per value, int8 about 1/127 of the largest of a row; a few layers add up to some times that.
TEST_F(Engines, RoundedActivationsStayCloseToFp32) {
  test::write_unpacked(model_, directory_ / "fp16", DType::kF16);
  test::write_unpacked(model_, directory_ / "bf16", DType::kBf16);
  for (const char* name : {"packed", "fp16", "bf16"}) {
    const auto model = load_model(directory_ / name);
    Engine exact(model, {.activations = ActivationType::kFp32});
    const std::vector<float> expected = all_logits(exact, tokens_, 48);
    for (const ActivationType activations : {ActivationType::kBf16, ActivationType::kInt8}) {
      if (activations == ActivationType::kInt8 && !model->packed()) continue;
      Engine rounded(model, {.activations = activations});
      const double error = test::relative_error(all_logits(rounded, tokens_, 48), expected);
      EXPECT_LT(error, activations == ActivationType::kBf16 ? 0.02 : 0.06) << name;
      EXPECT_GT(error, 1e-5) << name;
    }
  }
}

TEST_F(Engines, ScoresAreLogSoftmaxOfTheLogits) {
  Engine engine(packed_, {.activations = ActivationType::kFp32});
  const std::vector<float> logits = all_logits(engine, tokens_, 48);
  Batch batch;
  const int32_t sequence = engine.open_sequence();
  for (size_t i = 0; i < tokens_.size(); ++i) batch.add(tokens_[i], static_cast<int32_t>(i), sequence);
  for (int32_t row = 0; row < 48; row += 5)
    for (const int32_t token : {0, 17, 149}) batch.targets.push_back({row, token});
  const std::vector<TargetScore> scores = engine.forward(batch).scores;
  for (size_t i = 0; i < scores.size(); ++i) {
    const float* row = logits.data() + batch.targets[i].row * 150;
    double sum = 0;
    for (int v = 0; v < 150; ++v) sum += std::exp(static_cast<double>(row[v]));
    EXPECT_NEAR(scores[i].logprob, static_cast<double>(row[batch.targets[i].token]) - std::log(sum), 1e-5);
    EXPECT_EQ(scores[i].top, std::max_element(row, row + 150) - row == batch.targets[i].token);
  }
}

TEST_F(Engines, ASequenceCanBeRewound) {
  Engine engine(packed_, {.activations = ActivationType::kFp32});
  const std::vector<float> expected = all_logits(engine, tokens_, 48);
  const int32_t sequence = engine.open_sequence();
  Batch first, wrong, again;
  for (int32_t i = 0; i < 30; ++i) first.add(tokens_[static_cast<size_t>(i)], i, sequence);
  for (int32_t i = 30; i < 40; ++i) wrong.add(5, i, sequence);
  for (int32_t i = 30; i < 48; ++i) again.add(tokens_[static_cast<size_t>(i)], i, sequence);
  again.logits_at = {17};
  engine.forward(first);
  engine.forward(wrong);
  EXPECT_EQ(engine.forward(again).logits, std::vector<float>(expected.end() - 150, expected.end()));
}

/// Logits of rows [from, to) of `tokens`, appended to a sequence that holds those before.
std::vector<float> continued(Engine& engine, int32_t sequence, const std::vector<int32_t>& tokens, int32_t from, int32_t to) {
  Batch batch;
  for (int32_t i = from; i < to; ++i) {
    batch.logits_at.push_back(i - from);
    batch.add(tokens[static_cast<size_t>(i)], i, sequence);
  }
  return engine.forward(batch).logits;
}

TEST_F(Engines, ASequenceCanBeginAsAnotherOneDoes) {
  model_.config.max_position = 300;
  test::write_packed(model_, directory_ / "long", Format::kTern1_6);
  Engine engine(load_model(directory_ / "long"),
                {.activations = ActivationType::kInt8, .kv_bytes = pages(12, ActivationType::kInt8)});
  const std::vector<int32_t> tokens = test::random_tokens(200, model_.config.vocab, 3);
  std::vector<int32_t> other = tokens;
  std::reverse(other.begin() + 100, other.end());
  const std::vector<float> expected = all_logits(engine, tokens, 50), expected_other = all_logits(engine, other, 50);
  const auto tail = [](const std::vector<float>& logits, int from) {
    return std::vector<float>(logits.begin() + from * 150, logits.end());
  };
  const int32_t first = engine.open_sequence();
  continued(engine, first, tokens, 0, 120);
  const int32_t second = engine.open_sequence(first, 100);
  EXPECT_EQ(engine.kv().free_pages(), 10);
  EXPECT_EQ(continued(engine, second, other, 100, 200), tail(expected_other, 100));
  EXPECT_EQ(continued(engine, first, tokens, 120, 200), tail(expected, 120));
  engine.close_sequence(first);
  EXPECT_EQ(continued(engine, second, tokens, 70, 200), tail(expected, 70));  // rewound into what was shared
  engine.close_sequence(second);
  EXPECT_EQ(engine.kv().free_pages(), 12);
}

TEST_F(Engines, ABatchThatFindsTooFewPagesChangesNothing) {
  Engine engine(packed_, {.kv_bytes = pages(2)});
  const std::vector<float> expected = all_logits(engine, tokens_, 48);
  const int32_t first = engine.open_sequence(), second = engine.open_sequence(), third = engine.open_sequence();
  continued(engine, first, tokens_, 0, 20);
  Batch batch;
  batch.add(1, 5, first);  // would rewind it
  batch.add(1, 0, second);
  batch.add(1, 0, third);
  EXPECT_THROW(engine.forward(batch), KvFull);
  EXPECT_EQ(engine.kv().free_pages(), 1);
  EXPECT_EQ(continued(engine, first, tokens_, 20, 48), std::vector<float>(expected.begin() + 20 * 150, expected.end()));
}

TEST_F(Engines, TheObserverSeesEveryLinearInput) {
  Engine engine(packed_, {.activations = ActivationType::kInt8});
  std::map<std::string, int64_t> seen;
  engine.set_observer([&](const Linear& linear, const float* x, int64_t count) {
    seen[linear.name] += count;
    EXPECT_TRUE(std::isfinite(x[count * linear.cols - 1]));
  });
  all_logits(engine, tokens_, 16);
  EXPECT_EQ(seen.size(), 7u * 3u);
  for (const auto& item : seen) EXPECT_EQ(item.second, 48) << item.first;
}

TEST_F(Engines, Int8NeedsPackedWeights) {
  test::write_unpacked(model_, directory_ / "unpacked");
  EXPECT_THROW(Engine(load_model(directory_ / "unpacked"), {.activations = ActivationType::kInt8}), Error);
}

TEST_F(Engines, MissingAndMisshapenTensorsAreNamed) {
  test::RandomModel larger = model_;
  test::write_unpacked(model_, directory_ / "odd");
  larger.config.glu += 2;
  write_file(directory_ / "odd" / "config.json", model::config_to_json(larger.config, "float16"));
  try {
    load_model(directory_ / "odd");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Exit::kBadInput);
    EXPECT_NE(std::string(error.what()).find("model.layers.0.mlp.gate_proj.weight"), std::string::npos) << error.what();
  }
  larger = model_;
  larger.config.layers += 1;
  write_file(directory_ / "odd" / "config.json", model::config_to_json(larger.config, "float16"));
  try {
    load_model(directory_ / "odd");
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("model.layers.3."), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace spectra::infer
