// SPDX-License-Identifier: Apache-2.0
// The scorer gives the bits that each request gets alone, whatever is shared and however little memory there is.
#include "eval/scorer.h"

#include <gtest/gtest.h>

#include <map>

#include "base/parallel.h"
#include "base/rng.h"
#include "infer/cpu/kv_memory.h"
#include "unit/infer/models.h"

namespace spectra::eval {
namespace {

constexpr int64_t kContext = 320;

std::shared_ptr<const infer::Model> make_model(const test::TemporaryDirectory& directory) {
  model::Config config = test::small_config(model::Family::kTernary);
  config.max_position = kContext;
  const test::RandomModel random = test::random_model(config, 2, 5);
  test::write_packed(random, directory.path(), lowbit::Format::kTern2);
  return infer::load_model(directory.path());
}

std::vector<int32_t> random_tokens(Rng& rng, int64_t count) {
  std::vector<int32_t> tokens;
  for (int64_t i = 0; i < count; ++i) tokens.push_back(static_cast<int32_t>(rng.below(150)));
  return tokens;
}

/// Questions behind one of three few-shot prompts (or none), with choices that share words, are prefixes of each other, are the
/// same, or are a single token; some contexts are shorter than a page, some fill the whole context.
std::vector<ScoreItem> make_items(uint64_t seed, size_t count) {
  Rng rng(seed);
  const std::vector<int32_t> examples[] = {{}, random_tokens(rng, 70), random_tokens(rng, 130), random_tokens(rng, 200)};
  std::vector<ScoreItem> items;
  for (size_t i = 0; i < count; ++i) {
    std::vector<int32_t> context = examples[rng.below(4)];
    const std::vector<int32_t> question = random_tokens(rng, 1 + static_cast<int64_t>(rng.below(90)));
    context.insert(context.end(), question.begin(), question.end());
    ScoreItem item{i, {}};
    const std::vector<int32_t> common = random_tokens(rng, static_cast<int64_t>(rng.below(6)));
    for (uint64_t c = 0; c < 1 + rng.below(5); ++c) {
      TokenRequest request{context, 0};
      std::vector<int32_t> choice = common;
      if (rng.below(3) > 0 || choice.empty()) {
        const std::vector<int32_t> more = random_tokens(rng, 1 + static_cast<int64_t>(rng.below(8)));
        choice.insert(choice.end(), more.begin(), more.end());
      }
      request.tokens.insert(request.tokens.end(), choice.begin(), choice.end());
      request.scored = static_cast<int64_t>(choice.size());
      if (rng.below(10) == 0) request.scored = std::min<int64_t>(request.inputs(), request.scored + 30);  // a rolling window
      item.requests.push_back(std::move(request));
    }
    items.push_back(std::move(item));
  }
  return items;
}

void expect_alone(infer::Engine& engine, const std::vector<ScoreItem>& items, int64_t batch_tokens,
                  Scorer::Stats* stats = nullptr) {
  Scorer scorer(engine, batch_tokens);
  size_t taken = 0;
  std::map<size_t, std::vector<RequestScore>> scores;
  scorer.run([&]() -> std::optional<ScoreItem> { return taken < items.size() ? std::optional(items[taken++]) : std::nullopt; },
             [&](size_t index, const std::vector<RequestScore>& s) { EXPECT_TRUE(scores.emplace(index, s).second); });
  ASSERT_EQ(scores.size(), items.size());
  for (const ScoreItem& item : items) {
    ASSERT_EQ(scores[item.index].size(), item.requests.size());
    for (size_t i = 0; i < item.requests.size(); ++i) {
      const RequestScore alone = score_alone(engine, item.requests[i]);
      EXPECT_EQ(scores[item.index][i].logprob, alone.logprob) << "item " << item.index << " request " << i;
      EXPECT_EQ(scores[item.index][i].greedy, alone.greedy) << "item " << item.index << " request " << i;
    }
  }
  if (stats != nullptr) *stats = scorer.stats();
  EXPECT_EQ(engine.kv().free_pages(), engine.kv().pages()) << "all sequences are closed";
}

infer::EngineOptions with_pages(const infer::Model& model, int64_t pages) {
  infer::EngineOptions options;
  options.kv_bytes = static_cast<uint64_t>(pages * infer::kv_page_bytes(model.config, infer::KvType::kFp32));
  return options;
}

TEST(Scorer, SameBitsAsAlone) {
  const test::TemporaryDirectory directory;
  const auto model = make_model(directory);
  set_compute_threads(1);                 // the model is so small that threads would only wait for each other
  for (const int64_t pages : {5, 9, 64})  // a whole context has five
    for (const int64_t batch_tokens : {1, 7, 100, 512}) {
      SCOPED_TRACE(fmt::format("{} pages, {} tokens", pages, batch_tokens));
      infer::Engine engine(model, with_pages(*model, pages));
      expect_alone(engine, make_items(static_cast<uint64_t>(pages * batch_tokens), batch_tokens < 7 ? 4 : 15), batch_tokens);
    }
  set_compute_threads(0);
}

TEST(Scorer, GreedyIsSeen) {
  const test::TemporaryDirectory directory;
  const auto model = make_model(directory);
  infer::Engine engine(model, with_pages(*model, 16));
  // Continue a context by the model's own choices: greedy; with another last token it is not.
  std::vector<int32_t> tokens = {3, 14, 15};
  const int32_t sequence = engine.open_sequence();
  for (int32_t position = 0; position < 8; ++position) {
    infer::Batch batch;
    batch.add(tokens[static_cast<size_t>(position)], position, sequence);
    batch.logits_at = {0};
    const std::vector<float> logits = engine.forward(batch).logits;
    if (position >= 2) tokens.push_back(static_cast<int32_t>(std::max_element(logits.begin(), logits.end()) - logits.begin()));
  }
  engine.close_sequence(sequence);
  std::vector<int32_t> other = tokens;
  other.back() = (other.back() + 1) % 150;
  Scorer scorer(engine);
  std::optional<ScoreItem> item = ScoreItem{0, {{tokens, 6}, {other, 6}}};
  scorer.run([&] { return std::exchange(item, std::nullopt); },
             [](size_t, const std::vector<RequestScore>& scores) {
               EXPECT_TRUE(scores[0].greedy);
               EXPECT_FALSE(scores[1].greedy);
             });
}

TEST(Scorer, WhatRequestsShareIsComputedOnce) {
  const test::TemporaryDirectory directory;
  const auto model = make_model(directory);
  infer::Engine engine(model, with_pages(*model, 64));
  Rng rng(1);
  const std::vector<int32_t> context = random_tokens(rng, 200);  // three full pages are shared between items
  std::vector<ScoreItem> items;
  for (size_t i = 0; i < 4; ++i) {
    TokenRequest request{context, 5};
    request.tokens.push_back(static_cast<int32_t>(i));  // differs between items
    for (int t = 0; t < 4; ++t) request.tokens.push_back(t);
    items.push_back({i, {request, request}});
    items.back().requests[1].tokens.back() = 9;  // the last token is never read
  }
  Scorer::Stats stats;
  expect_alone(engine, items, 512, &stats);
  EXPECT_EQ(stats.request_tokens, 8 * 204);
  EXPECT_EQ(stats.computed_tokens, 204 + 3 * (204 - 192));
}

}  // namespace
}  // namespace spectra::eval
