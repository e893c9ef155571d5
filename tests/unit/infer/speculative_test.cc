// SPDX-License-Identifier: Apache-2.0
#include "infer/speculative.h"

#include <gtest/gtest.h>

#include <map>

#include "base/parallel.h"
#include "infer/cpu/kv_memory.h"
#include "models.h"

namespace spectra::infer {
namespace {

constexpr int64_t kVocab = 5;

model::Config tiny() {
  model::Config c;
  c.hidden = 16;
  c.glu = 24;
  c.heads = c.kv_heads = 2;
  c.layers = 1;
  c.vocab = kVocab;
  c.max_position = 64;
  return c;
}

/// Two models of the same five tokens that disagree.
class Speculative : public testing::Test {
 protected:
  void SetUp() override {
    set_compute_threads(1);
    for (const uint64_t seed : {1, 2}) {
      const std::string name = std::to_string(seed);
      test::write_unpacked(test::random_model(tiny(), 0, seed), directory_ / name, DType::kF32);
      models_.push_back(load_model(directory_ / name));
    }
  }
  void TearDown() override { set_compute_threads(0); }

  /// Memory for four sequences.
  static EngineOptions memory() { return {.kv_bytes = static_cast<uint64_t>(4 * kv_page_bytes(tiny(), KvType::kFp32))}; }

  test::TemporaryDirectory directory_;
  std::vector<std::shared_ptr<const Model>> models_;
  const std::vector<int32_t> prompt_ = {3};
};

std::vector<int32_t> decode(Decoder& decoder, std::vector<int32_t> seen, int64_t count) {
  const size_t prompt = seen.size();
  while (seen.size() < prompt + static_cast<size_t>(count)) {
    const size_t generated = seen.size() - prompt;
    const std::vector<int32_t> tokens = decoder.next(seen, generated, count - static_cast<int64_t>(generated));
    EXPECT_GE(tokens.size(), 1u);
    EXPECT_LE(tokens.size(), static_cast<size_t>(count) - generated);
    seen.insert(seen.end(), tokens.begin(), tokens.end());
  }
  return {seen.begin() + static_cast<ptrdiff_t>(prompt), seen.end()};
}

/// The probability of every continuation by `count` tokens, from the model's logits and the sampler's filters.
void exact(Engine& engine, Sampler& sampler, const std::vector<int32_t>& seen, int64_t count, double p,
           std::map<std::vector<int32_t>, double>& result) {
  if (count == 0) {
    result[{seen.end() - 3, seen.end()}] += p;
    return;
  }
  sampler.filter(TokenSequence(engine).logits(seen, 1), seen);
  const std::vector<double> next = sampler.probabilities(kVocab);
  for (int32_t token = 0; token < kVocab; ++token) {
    if (next[static_cast<size_t>(token)] == 0) continue;
    std::vector<int32_t> longer = seen;
    longer.push_back(token);
    exact(engine, sampler, longer, count - 1, p * next[static_cast<size_t>(token)], result);
  }
}

/// Pearson's statistic as a number of standard deviations above its mean (Wilson and Hilferty 1931). Cells expected less than five
/// times are put together; a count where nothing is expected gives infinity.
double chi_square_deviation(std::map<std::vector<int32_t>, double> counts, const std::map<std::vector<int32_t>, double>& expected,
                            double draws) {
  double sum = 0, rest = 0, rest_expected = 0, cells = 0;
  const auto add = [&](double count, double wanted) {
    sum += (count - wanted) * (count - wanted) / wanted;
    ++cells;
  };
  for (const auto& [key, p] : expected) {
    if (p * draws >= 5) {
      add(counts[key], p * draws);
    } else {
      rest += counts[key];
      rest_expected += p * draws;
    }
    counts.erase(key);
  }
  if (!counts.empty()) return INFINITY;
  if (rest_expected >= 5) add(rest, rest_expected);
  const double freedom = cells - 1, spread = 2 / (9 * freedom);
  return (std::cbrt(sum / freedom) - (1 - spread)) / std::sqrt(spread);
}

TEST_F(Speculative, DrawsAreDistributedAsTheLargeModelsAlone) {
  Engine target(models_[0], memory()), draft(models_[1], memory());
  const int draws = 6000;
  const std::pair<Sampling, int64_t> settings[] = {{{.temperature = 1}, 1},
                                                   {{.temperature = 1}, 3},
                                                   {{.temperature = 0.7, .top_k = 3}, 2},
                                                   {{.temperature = 1.5, .top_p = 0.8}, 3},
                                                   {{.temperature = 1, .min_p = 0.2}, 3},
                                                   {{.repetition_penalty = 6, .temperature = 1}, 3}};
  for (const auto& [setting, proposals] : settings) {
    Sampler sampler(setting);
    std::map<std::vector<int32_t>, double> expected, of_draft, counts;
    exact(target, sampler, prompt_, 4, 1, expected);  // the last three of four tokens
    exact(draft, sampler, prompt_, 4, 1, of_draft);
    int64_t accepted = 0;
    for (int i = 0; i < draws; ++i) {
      Sampling seeded = setting;
      seeded.seed = static_cast<uint64_t>(i);
      Decoder decoder(target, {&draft, proposals}, seeded, kVocab);
      const std::vector<int32_t> tokens = decode(decoder, prompt_, 4);
      ++counts[{tokens.begin() + 1, tokens.end()}];
      accepted += decoder.accepted();
    }
    EXPECT_GT(expected.size(), 10u);
    EXPECT_LT(std::abs(chi_square_deviation(counts, expected, draws)), 4) << setting.temperature << " " << proposals;
    EXPECT_GT(chi_square_deviation(counts, of_draft, draws), 10);  // the test would see the draft's own draws
    EXPECT_GT(accepted, draws / 5);
  }
}

TEST_F(Speculative, AModelThatProposesToItselfIsAlwaysAccepted) {
  Engine target(models_[0], memory()), draft(models_[0], memory());
  const Sampling setting{.temperature = 1.2, .top_p = 0.95, .seed = 9};
  Decoder plain(target, {}, setting, kVocab), speculative(target, {&draft, 5}, setting, kVocab);
  EXPECT_EQ(decode(speculative, prompt_, 40), decode(plain, prompt_, 40));
  EXPECT_GT(speculative.proposed(), 30);
  EXPECT_EQ(speculative.accepted(), speculative.proposed());
  EXPECT_EQ(plain.proposed(), 0);
}

TEST_F(Speculative, GreedyTokensAreThoseOfTheLargeModel) {
  Engine target(models_[0], memory()), draft(models_[1], memory());
  const std::vector<int32_t> prompt = {0, 3, 1};
  for (const int64_t proposals : {1, 2, 7}) {
    Decoder plain(target, {}, {}, kVocab), speculative(target, {&draft, proposals}, {}, kVocab);
    EXPECT_EQ(decode(speculative, prompt, 62), decode(plain, prompt, 62));  // to the end of the context
    EXPECT_LT(speculative.accepted(), speculative.proposed());
  }
}

TEST_F(Speculative, ASequenceComputesOnlyWhatItDoesNotHold) {
  Engine engine(models_[0], memory());
  TokenSequence sequence(engine);
  const std::vector<int32_t> one = {0, 1, 2, 3, 4}, other = {0, 1, 4, 4};
  const std::vector<float> first = sequence.logits(one, 1);
  const std::vector<float> after_two = test::all_logits(engine, {0, 1, 4, 4}, 4);
  EXPECT_EQ(sequence.logits(other, 2), std::vector<float>(after_two.begin() + 2 * kVocab, after_two.end()));
  EXPECT_EQ(sequence.logits(one, 1), first);
  EXPECT_EQ(sequence.logits(one, 1), first);
}

}  // namespace
}  // namespace spectra::infer
