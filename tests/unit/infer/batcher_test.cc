// SPDX-License-Identifier: Apache-2.0
#include "infer/batcher.h"

#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <thread>

#include "base/error.h"
#include "base/parallel.h"
#include "infer/cpu/kv_memory.h"
#include "models.h"

namespace spectra::infer {
namespace {

/// All that a request was told.
struct Result {
  std::vector<Token> prompt, tokens;
  std::optional<FinishReason> reason;
  bool operator==(const Result&) const = default;
};

/// The plain twin of the batcher: one request, token by token.
Result alone(Engine& engine, const Request& request) {
  Result result;
  const auto vocab = static_cast<size_t>(engine.model().config.vocab);
  const auto describe = [&](int32_t id, const float* logits) {
    Token token{.id = id};
    if (request.logprobs < 0) return token;
    const float sum = kernels::kernels().log_sum_exp(logits, vocab);
    token.logprob = logits[id] - sum;
    std::vector<bool> taken(vocab);
    for (int64_t k = 0; k < std::min<int64_t>(request.logprobs, static_cast<int64_t>(vocab)); ++k) {
      size_t best = vocab;
      for (size_t i = 0; i < vocab; ++i)
        if (!taken[i] && (best == vocab || logits[i] > logits[best])) best = i;
      taken[best] = true;
      token.top.push_back({static_cast<int32_t>(best), logits[best] - sum});
    }
    return token;
  };
  Sampler sampler(request.sampling);
  std::vector<int32_t> tokens = request.prompt;
  const int32_t sequence = engine.open_sequence();
  std::vector<float> logits;
  const auto append = [&](size_t i) {
    Batch batch;
    batch.add(tokens[i], static_cast<int32_t>(i), sequence);
    batch.logits_at = {0};
    logits = engine.forward(batch).logits;
  };
  for (size_t i = 0; i < tokens.size(); ++i) {
    append(i);
    const auto next = static_cast<int64_t>(i) + 1;
    if (request.score_from >= 0 && next >= request.score_from && i + 1 < tokens.size())
      result.prompt.push_back(describe(tokens[i + 1], logits.data()));
  }
  while (!result.reason) {
    const size_t generated = tokens.size() - request.prompt.size();
    if (static_cast<int64_t>(generated) >= request.max_tokens || static_cast<int64_t>(tokens.size()) > engine.context()) {
      result.reason = FinishReason::kLength;
      break;
    }
    Token token = describe(sampler.sample(logits, tokens, generated), logits.data());
    token.stop = std::find(request.stop_ids.begin(), request.stop_ids.end(), token.id) != request.stop_ids.end();
    if (token.stop) result.reason = FinishReason::kStop;
    result.tokens.push_back(token);
    tokens.push_back(token.id);
    if (!token.stop && static_cast<int64_t>(tokens.size()) <= engine.context()) append(tokens.size() - 1);
  }
  engine.close_sequence(sequence);
  return result;
}

/// Fills `result` as the request goes on.
Request watched(Request request, Result& result) {
  if (request.score_from >= 0) request.on_prompt = [&result](const std::vector<Token>& tokens) { result.prompt = tokens; };
  request.on_token = [&result](const Token& token) {
    EXPECT_FALSE(result.reason);
    result.tokens.push_back(token);
    return true;
  };
  request.on_finish = [&result](const Finished& finished) {
    EXPECT_FALSE(result.reason);
    result.reason = finished.reason;
  };
  return request;
}

/// A packed model of context 260, more than four pages, and requests on it.
class Batchers : public testing::Test {
 protected:
  void SetUp() override {
    model::Config config = test::small_config(model::Family::kTernary);
    config.max_position = 260;
    test::write_packed(test::random_model(config, 3, 21), directory_ / "packed", lowbit::Format::kTern2);
    model_ = load_model(directory_ / "packed");
  }
  void TearDown() override { set_compute_threads(0); }
  uint64_t pages(int64_t count, ActivationType activations = ActivationType::kFp32) const {
    return static_cast<uint64_t>(count * kv_page_bytes(model_->config, default_kv_type(activations)));
  }
  std::vector<int32_t> tokens(int64_t count, uint64_t seed) const { return test::random_tokens(count, model_->config.vocab, seed); }
  /// Requests of all kinds; most begin with one of two long texts.
  std::vector<Request> requests(int count) const {
    Rng rng(5);
    const std::vector<int32_t> stems[] = {tokens(200, 1), tokens(150, 2)};
    std::vector<Request> all;
    for (int i = 0; i < count; ++i) {
      Request r;
      const std::vector<int32_t>& stem = stems[rng.below(2)];
      if (rng.below(4) > 0) r.prompt.assign(stem.begin(), stem.begin() + static_cast<ptrdiff_t>(rng.below(stem.size())));
      const std::vector<int32_t> own = tokens(static_cast<int64_t>(1 + rng.below(60)), 100 + static_cast<uint64_t>(i));
      r.prompt.insert(r.prompt.end(), own.begin(), own.end());
      r.max_tokens = static_cast<int64_t>(rng.below(50));
      if (rng.below(10) == 0) r.max_tokens = 1000;  // to the end of the context
      if (rng.below(2) == 0) r.sampling = {.temperature = 1, .top_k = 20, .seed = rng.below(100)};
      if (rng.below(4) == 0) r.sampling.repetition_penalty = 1.3;
      r.stop_ids = {static_cast<int32_t>(rng.below(150)), static_cast<int32_t>(rng.below(150))};
      r.logprobs = static_cast<int64_t>(rng.below(5)) - 1;
      if (r.logprobs >= 0 && rng.below(2) == 0) r.score_from = static_cast<int64_t>(rng.below(r.prompt.size() + 2));
      all.push_back(r);
    }
    return all;
  }

  test::TemporaryDirectory directory_;
  std::shared_ptr<const Model> model_;
};

TEST_F(Batchers, ResultsAreThoseOfEachRequestAlone) {
  const std::vector<Request> all = requests(30);
  struct Setting {
    int64_t pages, batch_tokens, max_running;
    int threads;
  };
  for (const ActivationType activations : {ActivationType::kFp32, ActivationType::kInt8}) {
    set_compute_threads(1);
    Engine plain(model_, {.activations = activations});
    std::vector<Result> expected;
    for (const Request& r : all) expected.push_back(alone(plain, r));
    uint64_t seed = 0;
    for (const Setting& s : {Setting{5, 512, 64, 1}, Setting{7, 40, 8, 2}, Setting{12, 17, 17, 1}, Setting{100, 100, 12, 2}}) {
      set_compute_threads(s.threads);
      Engine engine(model_, {.activations = activations, .kv_bytes = pages(s.pages, activations)});
      Batcher batcher(engine, {.batch_tokens = s.batch_tokens, .max_running = s.max_running});
      std::vector<Result> results(all.size());
      std::vector<int64_t> ids;
      Rng rng(++seed);
      for (bool busy = true; busy || ids.size() < all.size();) {
        while (ids.size() < all.size() && rng.below(3) > 0)
          ids.push_back(batcher.submit(watched(all[ids.size()], results[ids.size()])));
        busy = batcher.step();
      }
      for (size_t i = 0; i < all.size(); ++i) EXPECT_TRUE(results[i] == expected[i]) << "request " << i << ", pages " << s.pages;
      const Batcher::Stats stats = batcher.stats();
      EXPECT_EQ(stats.finished, 30);
      EXPECT_EQ(stats.free_pages, s.pages);
      EXPECT_GT(stats.reused_tokens, 0);
      EXPECT_TRUE(s.pages != 7 || stats.preempted > 0);
      EXPECT_TRUE(s.pages != 100 || stats.preempted == 0) << stats.preempted;
    }
  }
}

TEST_F(Batchers, WhatIsCancelledLeavesTheOthersAlone) {
  const std::vector<Request> all = requests(30);
  Engine plain(model_, {.activations = ActivationType::kInt8});
  Engine engine(model_, {.activations = ActivationType::kInt8, .kv_bytes = pages(9, ActivationType::kInt8)});
  Batcher batcher(engine, {.batch_tokens = 64, .max_running = 10});
  std::vector<Result> results(all.size());
  Rng rng(8);
  for (size_t i = 0; i < all.size(); ++i) EXPECT_EQ(batcher.submit(watched(all[i], results[i])), static_cast<int64_t>(i));
  while (batcher.step())
    if (rng.below(4) == 0) batcher.cancel(static_cast<int64_t>(rng.below(30)));
  int cancelled = 0;
  for (size_t i = 0; i < all.size(); ++i) {
    Result expected = alone(plain, all[i]);
    ASSERT_TRUE(results[i].reason);
    if (results[i].reason == FinishReason::kInterrupted) {
      ++cancelled;
      ASSERT_LE(results[i].tokens.size(), expected.tokens.size());
      expected.tokens.resize(results[i].tokens.size());
      if (results[i].prompt.empty()) expected.prompt.clear();
      expected.reason = FinishReason::kInterrupted;
    }
    EXPECT_TRUE(results[i] == expected) << i;
  }
  EXPECT_GT(cancelled, 3);
  EXPECT_LT(cancelled, 27);
  EXPECT_EQ(engine.kv().free_pages(), 9);
}

TEST_F(Batchers, SubmitAndCancelFromManyThreads) {
  const std::vector<Request> all = requests(24);
  Engine plain(model_, {.activations = ActivationType::kFp32});
  Engine engine(model_, {.activations = ActivationType::kFp32, .kv_bytes = pages(11)});
  Batcher batcher(engine, {.batch_tokens = 64, .max_running = 6});
  std::vector<Result> results(all.size());
  std::vector<std::thread> users;
  for (size_t user = 0; user < 4; ++user)
    users.emplace_back([&, user] {
      for (size_t i = user; i < all.size(); i += 4) {
        const int64_t id = batcher.submit(watched(all[i], results[i]));
        if (i % 6 == 0) batcher.cancel(id);
        EXPECT_LE(batcher.stats().running, 6);
      }
    });
  while (batcher.stats().finished < 24)
    if (!batcher.step()) std::this_thread::yield();
  for (std::thread& user : users) user.join();
  for (size_t i = 0; i < all.size(); ++i) {
    ASSERT_TRUE(results[i].reason);
    EXPECT_TRUE(i % 6 == 0 || results[i] == alone(plain, all[i])) << i;
  }
}

TEST_F(Batchers, GeneratingGoesOnWhileALongPromptIsRead) {
  Engine engine(model_, {.activations = ActivationType::kFp32, .kv_bytes = pages(10)});
  Batcher batcher(engine, {.batch_tokens = 10, .max_running = 4});
  Result first, second;
  batcher.submit(watched({.prompt = tokens(5, 1), .max_tokens = 100}, first));
  batcher.step();
  batcher.submit(watched({.prompt = tokens(90, 2), .max_tokens = 1}, second));
  for (size_t step = 0; step < 10; ++step) {  // 9 tokens of prompt a step
    EXPECT_EQ(first.tokens.size(), step + 1);
    EXPECT_TRUE(second.tokens.empty());
    batcher.step();
  }
  EXPECT_EQ(second.tokens.size(), 1u);
}

TEST_F(Batchers, RequestsAreAdmittedInTheOrderTheyCame) {
  Engine engine(model_, {.activations = ActivationType::kFp32, .kv_bytes = pages(5)});
  Batcher batcher(engine, {.batch_tokens = 64, .max_running = 4});
  std::vector<int64_t> order;
  const std::vector<int32_t> first = tokens(100, 1);
  for (int64_t i = 0; i < 6; ++i) {
    Request r{.prompt = tokens(i == 2 ? 250 : 20, static_cast<uint64_t>(i)), .max_tokens = 5};
    r.on_finish = [&order, i](const Finished&) { order.push_back(i); };
    batcher.submit(std::move(r));
  }
  while (batcher.step()) {
  }
  // The third one needs all pages: it waits for the first two, and the small ones behind it do not overtake it.
  EXPECT_EQ(order[2], 2);
  EXPECT_EQ(order.size(), 6u);
}

TEST_F(Batchers, ARepeatedPromptIsNotComputedAgain) {
  Engine engine(model_, {.activations = ActivationType::kFp32, .kv_bytes = pages(8)});
  Batcher batcher(engine);
  const auto run = [&](const std::vector<int32_t>& prompt) {
    const Batcher::Stats before = batcher.stats();
    batcher.submit({.prompt = prompt, .max_tokens = 1});
    while (batcher.step()) {
    }
    return batcher.stats().computed_tokens - before.computed_tokens;
  };
  const std::vector<int32_t> prompt = tokens(192, 1);
  EXPECT_EQ(run(prompt), 192);
  EXPECT_EQ(run(prompt), 64);  // the last token's logits are wanted, and pages are taken over whole
  std::vector<int32_t> other = prompt;
  other[70] ^= 1;
  EXPECT_EQ(run(other), 128);
  EXPECT_EQ(run(prompt), 64);
  for (const uint64_t seed : {2, 3, 4}) run(tokens(250, seed));  // four pages each, three of them kept
  EXPECT_EQ(run(prompt), 192);
}

TEST_F(Batchers, PromptsThatComeTogetherComputeTheirBeginningOnce) {
  Engine engine(model_, {.activations = ActivationType::kFp32, .kv_bytes = pages(40)});
  Batcher batcher(engine);
  std::vector<Result> results(6);
  for (size_t i = 0; i < 6; ++i) {
    Request r{.prompt = tokens(130, 1), .max_tokens = 1, .logprobs = 0, .score_from = 131};
    r.prompt.push_back(static_cast<int32_t>(i));
    r.prompt.push_back(0);
    batcher.submit(watched(r, results[i]));
  }
  while (batcher.step()) {
  }
  EXPECT_EQ(batcher.stats().computed_tokens, 132 + 5 * 4);
  EXPECT_EQ(batcher.stats().reused_tokens, 5 * 128);
  for (size_t i = 0; i < 6; ++i) {
    ASSERT_EQ(results[i].prompt.size(), 1u);
    EXPECT_EQ(results[i].prompt[0].id, 0);
    EXPECT_LT(results[i].prompt[0].logprob, 0);
  }
}

TEST_F(Batchers, WhatCannotRunIsRefusedWithTheNumbers) {
  Engine engine(model_, {.activations = ActivationType::kFp32, .kv_bytes = pages(2)});
  Batcher batcher(engine);
  const auto refused = [&](Request request, Exit code, std::initializer_list<const char*> says) {
    try {
      batcher.submit(std::move(request));
      ADD_FAILURE() << "was accepted";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), code);
      for (const char* text : says) EXPECT_NE(std::string(error.what()).find(text), std::string::npos) << error.what();
    }
  };
  refused({}, Exit::kBadInput, {"no tokens"});
  refused({.prompt = tokens(261, 1)}, Exit::kBadInput, {"261", "260"});
  refused({.prompt = {3, 150}}, Exit::kBadInput, {"150"});
  refused({.prompt = {3}, .sampling = {.top_p = 0}}, Exit::kUsage, {"top_p"});
  refused({.prompt = tokens(120, 1), .max_tokens = 10}, Exit::kRefused, {"120", "10", "3 pages", "are 2"});
  Result fits;
  batcher.submit(watched({.prompt = tokens(120, 1), .max_tokens = 9}, fits));
  while (batcher.step()) {
  }
  EXPECT_EQ(fits.tokens.size(), 9u);
  Result full;
  batcher.submit(watched({.prompt = tokens(128, 1), .max_tokens = 1}, full));
  while (batcher.step()) {
  }
  EXPECT_EQ(full.tokens.size(), 1u);
}

TEST_F(Batchers, AnExceptionEndsOnlyItsRequest) {
  Engine engine(model_, {.activations = ActivationType::kFp32, .kv_bytes = pages(5)});
  Batcher batcher(engine);
  Result good;
  Request bad{.prompt = tokens(10, 1)};
  bad.on_token = [](const Token&) -> bool { throw std::runtime_error("the client went away"); };
  std::string message;
  bad.on_finish = [&](const Finished& finished) {
    EXPECT_EQ(finished.reason, FinishReason::kFailed);
    try {
      std::rethrow_exception(finished.error);
    } catch (const std::runtime_error& error) {
      message = error.what();
    }
  };
  batcher.submit(std::move(bad));
  batcher.submit(watched({.prompt = tokens(10, 2)}, good));
  while (batcher.step()) {
  }
  EXPECT_EQ(message, "the client went away");
  EXPECT_EQ(good.tokens.size(), 16u);
  EXPECT_EQ(engine.kv().free_pages(), 5);
}

}  // namespace
}  // namespace spectra::infer
