// SPDX-License-Identifier: Apache-2.0
#include "infer/sampler.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include "base/error.h"
#include "base/rng.h"

namespace spectra::infer {
namespace {

constexpr int kDraws = 40000;

/// Logits of given probabilities, up to a constant.
std::vector<float> logits_of(const std::vector<double>& probabilities) {
  std::vector<float> logits;
  for (const double p : probabilities) logits.push_back(static_cast<float>(std::log(p) + 3));
  return logits;
}

std::vector<double> frequencies(const Sampling& sampling, const std::vector<float>& logits) {
  Sampler sampler(sampling);
  std::vector<double> counts(logits.size());
  for (int step = 0; step < kDraws; ++step)
    counts[static_cast<size_t>(sampler.sample(logits, {}, static_cast<uint64_t>(step)))] += 1;
  for (double& count : counts) count /= kDraws;
  return counts;
}

/// Every frequency within 4.5 standard deviations of its probability; impossible tokens never drawn.
void expect_distribution(const Sampling& sampling, const std::vector<float>& logits, const std::vector<double>& expected) {
  const std::vector<double> seen = frequencies(sampling, logits);
  for (size_t i = 0; i < expected.size(); ++i)
    EXPECT_NEAR(seen[i], expected[i], 4.5 * std::sqrt(expected[i] * (1 - expected[i]) / kDraws)) << i;
}

const std::vector<double> kProbabilities = {0.1, 0.4, 0.05, 0.25, 0.2};

Sampling at(double temperature) {
  Sampling s;
  s.temperature = temperature;
  s.seed = 5;
  return s;
}

TEST(Sampler, GreedyTakesTheLargestAndTheFirstOfEquals) {
  Sampler sampler({});
  EXPECT_EQ(sampler.sample(std::vector<float>{1, 3, 2, 3}, {}, 0), 1);
}

TEST(Sampler, TemperatureOneDrawsTheModelsProbabilities) { expect_distribution(at(1), logits_of(kProbabilities), kProbabilities); }

TEST(Sampler, TemperatureIsAPower) {
  std::vector<double> expected;
  double sum = 0;
  for (const double p : kProbabilities) sum += p * p;
  for (const double p : kProbabilities) expected.push_back(p * p / sum);
  expect_distribution(at(0.5), logits_of(kProbabilities), expected);
}

TEST(Sampler, TopKKeepsTheKMostProbable) {
  Sampling s = at(1);
  s.top_k = 2;
  expect_distribution(s, logits_of(kProbabilities), {0, 0.4 / 0.65, 0, 0.25 / 0.65, 0});
}

TEST(Sampler, TopPKeepsTheFewestThatReachP) {
  Sampling s = at(1);
  s.top_p = 0.6;  // 0.4 does not reach it, 0.4 + 0.25 does
  expect_distribution(s, logits_of(kProbabilities), {0, 0.4 / 0.65, 0, 0.25 / 0.65, 0});
  s.top_p = 0.7;
  expect_distribution(s, logits_of(kProbabilities), {0, 0.4 / 0.85, 0, 0.25 / 0.85, 0.2 / 0.85});
  s.top_p = 1e-9;
  expect_distribution(s, logits_of(kProbabilities), {0, 1, 0, 0, 0});
}

TEST(Sampler, TopPSeesWhatTopKLeft) {
  Sampling s = at(1);
  s.top_k = 3;     // 0.4, 0.25, 0.2 of 0.85
  s.top_p = 0.75;  // 0.65 / 0.85 = 0.765 reaches it; of the whole it would not
  expect_distribution(s, logits_of(kProbabilities), {0, 0.4 / 0.65, 0, 0.25 / 0.65, 0});
}

TEST(Sampler, MinPIsRelativeToTheMostProbable) {
  Sampling s = at(1);
  s.min_p = 0.45;  // at least 0.18
  expect_distribution(s, logits_of(kProbabilities), {0, 0.4 / 0.85, 0, 0.25 / 0.85, 0.2 / 0.85});
}

TEST(Sampler, TopPOfALargeVocabularyAgreesWithSortingAll) {
  std::vector<float> logits;
  for (int i = 0; i < 5000; ++i) logits.push_back(static_cast<float>(std::sin(i * 12.9898) * 4));
  std::vector<std::pair<float, int>> order;
  double total = 0;
  for (int i = 0; i < 5000; ++i) {
    order.emplace_back(-logits[static_cast<size_t>(i)], i);
    total += std::exp(static_cast<double>(logits[static_cast<size_t>(i)]));
  }
  std::sort(order.begin(), order.end());
  std::vector<bool> allowed(5000);
  double sum = 0;
  size_t kept = 0;
  for (; sum < 0.3 * total; ++kept) {
    allowed[static_cast<size_t>(order[kept].second)] = true;
    sum += std::exp(-static_cast<double>(order[kept].first));
  }
  Sampling s = at(1);
  s.top_p = 0.3;
  Sampler sampler(s);
  std::map<int32_t, int> drawn;
  for (uint64_t step = 0; step < 5000; ++step) ++drawn[sampler.sample(logits, {}, step)];
  for (const auto& item : drawn) EXPECT_TRUE(allowed[static_cast<size_t>(item.first)]) << item.first;
  EXPECT_GT(drawn.size(), kept / 2);
}

TEST(Sampler, AllTokensOfALargeVocabularyAgreeWithThePlainSum) {
  constexpr size_t kSize = 5003;
  std::vector<float> logits;
  for (size_t i = 0; i < kSize; ++i) logits.push_back(static_cast<float>(std::sin(static_cast<double>(i) * 12.9898) * 30));
  logits[0] = std::numeric_limits<float>::quiet_NaN();
  logits[700] = std::numeric_limits<float>::infinity();
  logits[kSize - 1] = -std::numeric_limits<float>::infinity();
  for (const double temperature : {1e-40, 0.01, 0.7, 1.0, 50.0}) {
    std::vector<double> weights(kSize), sums(kSize);
    float largest = -100;
    for (const float x : logits) largest = std::isfinite(x) ? std::max(largest, x) : largest;
    double total = 0;
    for (size_t i = 0; i < kSize; ++i) {
      if (std::isfinite(logits[i]))
        weights[i] = std::exp((static_cast<double>(logits[i]) - static_cast<double>(largest)) / temperature);
      sums[i] = total += weights[i];
    }
    Sampler sampler(at(temperature));
    sampler.filter(logits, {});
    const std::vector<double> p = sampler.probabilities(kSize);
    for (size_t i = 0; i < kSize; ++i) EXPECT_NEAR(p[i], weights[i] / total, 1e-4 * weights[i] / total + 1e-30) << i;
    for (uint64_t step = 0; step < 2000; ++step) {
      // The token in whose part of [0, total) the same random number falls, but for rounding at the edges.
      const double u = Rng(5, 0x5a3b1e).uniform_at(step) * total;
      const auto token = static_cast<size_t>(sampler.draw(step));
      EXPECT_GT(weights[token], 0) << token;
      EXPECT_LE(u, sums[token] + 1e-5 * total) << temperature;
      EXPECT_GE(u, sums[token] - weights[token] - 1e-5 * total) << temperature;
    }
  }
}

TEST(Sampler, RepetitionPenaltyCountsATokenOnce) {
  Sampling s = at(1);
  s.repetition_penalty = 2;
  Sampler sampler(s);
  const std::vector<float> logits = {2, -1, 0.5f};
  const std::vector<int32_t> seen = {0, 1, 0, 0};
  std::vector<double> counts(3), weights = {std::exp(1.0), std::exp(-2.0), std::exp(0.5)};
  for (uint64_t step = 0; step < kDraws; ++step) counts[static_cast<size_t>(sampler.sample(logits, seen, step))] += 1.0 / kDraws;
  const double sum = weights[0] + weights[1] + weights[2];
  for (size_t i = 0; i < 3; ++i) EXPECT_NEAR(counts[i], weights[i] / sum, 0.012) << i;
}

TEST(Sampler, IsAPureFunctionOfSeedAndStep) {
  const std::vector<float> logits = logits_of(kProbabilities);
  Sampler a(at(1)), b(at(1));
  Sampling other = at(1);
  other.seed = 6;
  Sampler c(other);
  int different = 0;
  std::vector<int32_t> forward, backward;
  for (uint64_t step = 0; step < 100; ++step) {
    forward.push_back(a.sample(logits, {}, step));
    backward.push_back(b.sample(logits, {}, 99 - step));
    different += c.sample(logits, {}, step) != forward.back();
  }
  std::reverse(backward.begin(), backward.end());
  EXPECT_EQ(forward, backward);
  EXPECT_GT(different, 30);
}

TEST(Sampler, RefusesBadSettingsAndLogits) {
  Sampling s;
  s.top_p = 0;
  EXPECT_THROW(Sampler{s}, Error);
  s = {};
  s.temperature = -1;
  EXPECT_THROW(Sampler{s}, Error);
  s = {};
  s.repetition_penalty = 0;
  EXPECT_THROW(Sampler{s}, Error);
  Sampler sampler({});
  const float nan = std::numeric_limits<float>::quiet_NaN();
  EXPECT_THROW(sampler.sample(std::vector<float>{nan, nan}, {}, 0), Error);
  EXPECT_EQ(sampler.sample(std::vector<float>{nan, -1}, {}, 0), 1);
}

}  // namespace
}  // namespace spectra::infer
