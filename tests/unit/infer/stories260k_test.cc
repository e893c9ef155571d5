// SPDX-License-Identifier: Apache-2.0
// The whole path on a real trained model, against the published outputs of llama2.c.
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/parallel.h"
#include "infer/generate.h"
#include "infer/perplexity.h"
#include "model/import_llama2c.h"
#include "models.h"

namespace spectra::infer {
namespace {

std::filesystem::path source() { return test::data_directory() / "model/stories260k"; }

class Stories260K : public testing::Test {
 protected:
  void SetUp() override {
    SPECTRA_NEEDS_DATA(source() / "stories260K.bin");
    set_compute_threads(1);  // the model is so small that threads would only wait for each other
    model::convert_llama2c(source() / "stories260K.bin", source() / "tok512.bin", directory_ / "model");
    model_ = load_model(directory_ / "model");
    tokenizer_ = std::make_unique<text::Tokenizer>(text::Tokenizer::load(directory_ / "model"));
  }
  void TearDown() override { set_compute_threads(0); }
  std::vector<int32_t> encode(const std::string& text) const {
    std::vector<int32_t> ids;
    for (const uint32_t id : tokenizer_->encode(text)) ids.push_back(static_cast<int32_t>(id));
    return ids;
  }
  test::TemporaryDirectory directory_;
  std::shared_ptr<const Model> model_;
  std::unique_ptr<text::Tokenizer> tokenizer_;
};

TEST_F(Stories260K, GreedyFromBosIsThePublishedText) {
  Engine engine(model_, {.activations = ActivationType::kFp32});
  GenerateOptions options;
  options.max_tokens = 200;
  std::string streamed;
  const Generated g = generate(engine, *tokenizer_, encode_prompt(*tokenizer_, ""), options, [&](std::string_view piece) {
    streamed += piece;
    return true;
  });
  EXPECT_EQ(g.text, read_file(source() / "greedy-bos-200.txt"));
  EXPECT_EQ(streamed, g.text);
  EXPECT_EQ(g.tokens.size(), 200u);
  EXPECT_EQ(g.prompt_tokens, 1);
  EXPECT_EQ(g.finish, FinishReason::kLength);
}

TEST_F(Stories260K, GreedyFromZooIsThePublishedText) {
  Engine engine(model_, {.activations = ActivationType::kFp32});
  const std::vector<int32_t> prompt = encode_prompt(*tokenizer_, "Zoo");
  GenerateOptions options;
  options.max_tokens = 60 - (static_cast<int64_t>(prompt.size()) - 1);  // llama2.c counts the prompt's steps too, but not BOS
  const Generated g = generate(engine, *tokenizer_, prompt, options, {});
  EXPECT_EQ("Zoo" + g.text, read_file(source() / "greedy-zoo-60.txt"));
}

TEST_F(Stories260K, EveryReferenceLogProbability) {
  Engine engine(model_, {.activations = ActivationType::kFp32});
  std::ifstream lines(source() / "logprobs.jsonl");
  int texts = 0;
  for (std::string line; std::getline(lines, line); ++texts) {
    const nlohmann::json reference = nlohmann::json::parse(line);
    const auto ids = reference["ids"].get<std::vector<int32_t>>();
    const auto expected = reference["logprobs"].get<std::vector<double>>();
    Batch batch;
    const int32_t sequence = engine.open_sequence();
    for (size_t i = 0; i + 1 < ids.size(); ++i) {
      batch.add(ids[i], static_cast<int32_t>(i), sequence);
      batch.targets.push_back({static_cast<int32_t>(i), ids[i + 1]});
      batch.logits_at.push_back(static_cast<int32_t>(i));
    }
    const Results output = engine.forward(batch);
    engine.close_sequence(sequence);
    ASSERT_EQ(output.scores.size(), expected.size());
    const auto top = reference.at("top1").get<std::vector<int32_t>>();
    for (size_t i = 0; i < expected.size(); ++i) {
      EXPECT_NEAR(output.scores[i].logprob, expected[i], 1e-4) << "text " << texts << " token " << i;
      const float* logits = output.logits.data() + i * 512;
      EXPECT_EQ(std::max_element(logits, logits + 512) - logits, top.at(i)) << "text " << texts << " token " << i;
    }
  }
  EXPECT_EQ(texts, 5);
}

/// -ln p of `token` after `context`, in double from the logits of a fresh sequence.
double surprise(Engine& engine, const std::vector<int32_t>& context, int32_t token) {
  const int32_t sequence = engine.open_sequence();
  Batch batch;
  for (size_t i = 0; i < context.size(); ++i) batch.add(context[i], static_cast<int32_t>(i), sequence);
  batch.logits_at = {static_cast<int32_t>(context.size()) - 1};
  const std::vector<float> logits = engine.forward(batch).logits;
  engine.close_sequence(sequence);
  double sum = 0;
  for (const float logit : logits) sum += std::exp(static_cast<double>(logit));
  return std::log(sum) - static_cast<double>(logits[static_cast<size_t>(token)]);
}

std::string reference_text() {
  std::string text = read_file(source() / "logprobs-texts.txt");
  return text.substr(0, 420);
}

TEST_F(Stories260K, RollingPerplexityAgreesWithOneTokenAtATime) {
  Engine engine(model_, {.activations = ActivationType::kFp32});
  const std::vector<int32_t> ids = encode(reference_text());
  for (const int64_t window : {1, 16, 50, 512}) {
    std::vector<int32_t> all = {1};
    all.insert(all.end(), ids.begin(), ids.end());
    const auto count = static_cast<int64_t>(ids.size()), whole = count / window * window;
    double sum = 0;
    for (int64_t i = 0; i < count; ++i) {  // all[i + 1] is predicted
      // Whole windows see from one token before their first prediction, the last, shorter one from `window` before its end.
      const int64_t begin = i < whole ? i / window * window : std::max<int64_t>(count - window, 0);
      sum += surprise(engine, {all.begin() + begin, all.begin() + i + 1}, all[static_cast<size_t>(i) + 1]);
    }
    const Perplexity p =
        score(engine, make_windows(Convention::kRolling, encode_for(Convention::kRolling, *tokenizer_, reference_text()), window,
                                   tokenizer_->bos()));
    EXPECT_EQ(p.tokens, count);
    EXPECT_NEAR(p.nll, sum / static_cast<double>(count), 1e-5) << window;
    EXPECT_NEAR(p.perplexity, std::exp(p.nll), 1e-9);
  }
}

TEST_F(Stories260K, WholeWindowPerplexitiesAgreeWithOneTokenAtATime) {
  Engine engine(model_, {.activations = ActivationType::kFp32});
  std::vector<int32_t> ids = encode(reference_text());
  ids.insert(ids.begin(), 1);
  const int64_t window = 48, windows = static_cast<int64_t>(ids.size()) / window;
  ASSERT_GE(windows, 3);
  double gptq = 0, llama = 0;
  for (int64_t w = 0; w < windows; ++w) {
    double mean = 0;
    for (int64_t i = 1; i < window; ++i) {
      std::vector<int32_t> context(ids.begin() + w * window, ids.begin() + w * window + i);
      const int32_t token = ids[static_cast<size_t>(w * window + i)];
      mean += surprise(engine, context, token) / static_cast<double>(window - 1);
      context[0] = 1;
      if (i > window / 2) llama += surprise(engine, context, token);
    }
    gptq += mean * static_cast<double>(window);
  }
  const int64_t scored = windows * (window - 1 - window / 2);
  const Perplexity g =
      score(engine, make_windows(Convention::kGptq, encode_for(Convention::kGptq, *tokenizer_, reference_text()), window, 1));
  EXPECT_NEAR(g.nll, gptq / static_cast<double>(windows * window), 1e-5);
  EXPECT_EQ(g.tokens, windows * (window - 1));
  const Perplexity l = score(
      engine, make_windows(Convention::kLlamaCpp, encode_for(Convention::kLlamaCpp, *tokenizer_, reference_text()), window, 1));
  EXPECT_NEAR(l.nll, llama / static_cast<double>(scored), 1e-5);
  EXPECT_EQ(l.tokens, scored);
}

TEST_F(Stories260K, TooShortTextsAreRefused) {
  EXPECT_THROW(make_windows(Convention::kRolling, {}, 512, 1), Error);
  EXPECT_THROW(make_windows(Convention::kGptq, std::vector<int32_t>(511), 512, 1), Error);
  EXPECT_THROW(make_windows(Convention::kLlamaCpp, std::vector<int32_t>(511), 512, 1), Error);
  EXPECT_EQ(make_windows(Convention::kGptq, std::vector<int32_t>(512), 512, 1).size(), 1u);
}

TEST_F(Stories260K, GenerationEndsAtAStopStringAndAtTheContext) {
  Engine engine(model_, {.activations = ActivationType::kFp32});
  GenerateOptions options;
  options.max_tokens = 1000;
  options.stops = {"little girl", "named"};
  const Generated stopped = generate(engine, *tokenizer_, encode_prompt(*tokenizer_, ""), options, {});
  EXPECT_EQ(stopped.text, "Once upon a time, there was a ");
  EXPECT_EQ(stopped.finish, FinishReason::kStop);

  // A prompt that fills the context leaves room for one token; one more does not fit.
  std::vector<int32_t> prompt(512, 403);
  const Generated one = generate(engine, *tokenizer_, prompt, {}, {});
  EXPECT_EQ(one.tokens.size(), 1u);
  EXPECT_EQ(one.finish, FinishReason::kLength);
  prompt.push_back(403);
  try {
    generate(engine, *tokenizer_, prompt, {}, {});
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Exit::kBadInput);
    EXPECT_NE(std::string(error.what()).find("513"), std::string::npos);
    EXPECT_NE(std::string(error.what()).find("512"), std::string::npos);
  }
}

TEST_F(Stories260K, SamplingIsRepeatable) {
  Engine engine(model_, {.activations = ActivationType::kFp32});
  GenerateOptions options;
  options.max_tokens = 40;
  options.sampling.temperature = 1;
  options.sampling.top_p = 0.9;
  options.sampling.seed = 3;
  const auto text = [&] { return generate(engine, *tokenizer_, encode_prompt(*tokenizer_, "One day"), options, {}).text; };
  const std::string first = text();
  EXPECT_EQ(text(), first);
  options.sampling.seed = 4;
  EXPECT_NE(text(), first);
}

TEST_F(Stories260K, ADraftDoesNotChangeTheText) {
  Engine engine(model_, {.activations = ActivationType::kFp32}), rounded(model_, {.activations = ActivationType::kBf16});
  test::RandomModel random = test::random_model(model_->config, 0, 4);
  random.config.max_position = 100;  // it falls silent before the text ends
  test::write_unpacked(random, directory_ / "random");
  Engine poor(load_model(directory_ / "random"), {.activations = ActivationType::kFp32});
  GenerateOptions options;
  options.max_tokens = 200;
  const auto text = [&](Draft draft) {
    options.draft = draft;
    return generate(engine, *tokenizer_, encode_prompt(*tokenizer_, ""), options, {});
  };
  const Generated close = text({&rounded, 4}), far = text({&poor, 3});
  EXPECT_EQ(close.text, read_file(source() / "greedy-bos-200.txt"));
  EXPECT_EQ(far.text, close.text);
  EXPECT_EQ(close.tokens.size(), 200u);
  EXPECT_GT(close.accepted, 140);  // four of five tokens, less a few
  EXPECT_LT(far.accepted, 20);
  options.stops = {"named"};
  EXPECT_EQ(text({&rounded, 4}).text, "Once upon a time, there was a little girl ");
}

TEST_F(Stories260K, ConvertKeepsTheBitsOfEveryWeight) {
  const std::string file = read_file(source() / "stories260K.bin");
  const auto* floats = reinterpret_cast<const float*>(file.data() + 28);
  std::vector<float> row(64);
  read_row(model_->embedding, 5, row.data());
  EXPECT_EQ(std::memcmp(row.data(), floats + 5 * 64, 256), 0);
  // Layer 2's wq: after the embedding and five attention norms. Row 1 of a head of 8 was row 2 there, row 5 was row 3.
  const float* wq = floats + 512 * 64 + 5 * 64 + 2 * 64 * 64;
  read_row(model_->layers[2].q, 8 + 1, row.data());
  EXPECT_EQ(std::memcmp(row.data(), wq + (8 + 2) * 64, 256), 0);
  read_row(model_->layers[2].q, 8 + 5, row.data());
  EXPECT_EQ(std::memcmp(row.data(), wq + (8 + 3) * 64, 256), 0);
  EXPECT_TRUE(model_->config.tied);
  EXPECT_EQ(model_->config.kv_heads, 4);
  EXPECT_EQ(model_->layers[4].down.cols, 172);
}

TEST_F(Stories260K, DamagedCheckpointsAreRefusedAndLeaveNothing) {
  const std::string file = read_file(source() / "stories260K.bin");
  const auto refused = [&](const std::string& bytes) {
    const std::span<const std::byte> view(reinterpret_cast<const std::byte*>(bytes.data()), bytes.size());
    try {
      model::parse_llama2c(view, "x.bin");
    } catch (const Error& error) {
      return error.code() == Exit::kBadInput;
    }
    return false;
  };
  EXPECT_FALSE(refused(file));
  EXPECT_TRUE(refused(file.substr(0, file.size() - 4)));
  EXPECT_TRUE(refused(file + "    "));
  EXPECT_TRUE(refused(file.substr(0, 20)));
  EXPECT_TRUE(refused(""));
  for (size_t field = 0; field < 7; ++field)
    for (const int32_t value : {0, -5, 0x7fffffff, 1 << 20}) {
      std::string damaged = file;
      std::memcpy(damaged.data() + field * 4, &value, 4);
      EXPECT_TRUE(refused(damaged)) << field << " " << value;
    }
  write_file(directory_ / "cut.bin", file.substr(0, 100'000));
  EXPECT_THROW(model::convert_llama2c(directory_ / "cut.bin", source() / "tok512.bin", directory_ / "cut"), Error);
  EXPECT_FALSE(std::filesystem::exists(directory_ / "cut"));
  EXPECT_THROW(model::convert_llama2c(source() / "stories260K.bin", source() / "tok512.bin", directory_ / "model"), Error);
}

}  // namespace
}  // namespace spectra::infer
