// SPDX-License-Identifier: Apache-2.0
#include "train/mixture.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/rng.h"

namespace spectra::train {
namespace {

/// The paper's data: tokens of the seven subsets of SlimPajama, in billions.
const std::vector<double> kSlimPajama = {13, 13, 80, 156, 16, 10, 12};

/// The obvious stateful form: the source with the smallest (2 c + 1) / p is next.
std::vector<Mixture::Place> one_by_one(const std::vector<uint64_t>& shares, size_t count) {
  std::vector<uint64_t> counts(shares.size(), 0);
  std::vector<Mixture::Place> places;
  for (size_t i = 0; i < count; ++i) {
    size_t next = 0;
    for (size_t k = 1; k < shares.size(); ++k)
      if ((2 * counts[k] + 1) * static_cast<long double>(shares[next]) <
          (2 * counts[next] + 1) * static_cast<long double>(shares[k]))
        next = k;
    places.push_back({next, counts[next]++});
  }
  return places;
}

void expect_same_as_one_by_one(const std::vector<double>& weights, size_t count) {
  const Mixture mixture(weights);
  const auto expected = one_by_one(mixture.shares(), count);
  for (size_t i = 0; i < count; ++i) {
    const Mixture::Place place = mixture.place(i);
    ASSERT_EQ(place.source, expected[i].source) << "sequence " << i << " of " << weights.size() << " sources";
    ASSERT_EQ(place.index, expected[i].index) << "sequence " << i;
  }
}

TEST(Mixture, IsTheStatefulApportionmentWithoutItsState) {
  expect_same_as_one_by_one({1}, 50);
  expect_same_as_one_by_one({1, 1}, 50);  // ties all the way
  expect_same_as_one_by_one({1, 1, 1, 1, 1}, 200);
  expect_same_as_one_by_one({1000, 1}, 5000);
  expect_same_as_one_by_one(kSlimPajama, 20000);
  Rng rng(3);
  for (int round = 0; round < 30; ++round) {
    std::vector<double> weights(1 + rng.below(12));
    for (double& weight : weights) weight = std::exp(6 * rng.uniform());
    expect_same_as_one_by_one(weights, 2000);
  }
}

TEST(Mixture, CountsStayNearTheWeightsHoweverLongTheRun) {
  const Mixture mixture(kSlimPajama);
  const double total = std::accumulate(kSlimPajama.begin(), kSlimPajama.end(), 0.0);
  const auto sources = static_cast<double>(kSlimPajama.size());
  for (const uint64_t start : {uint64_t{0}, uint64_t{146'484'375}, uint64_t{1} << 50}) {  // 300B tokens of 2048; far beyond
    for (uint64_t i = start; i < start + 3000; ++i) {
      const Mixture::Place place = mixture.place(i);
      const double share = kSlimPajama[place.source] / total;
      // The share is rounded to 2^-33, which shows after 2^30 sequences and not before.
      const double slack = 0.5 + share * sources / 2 + static_cast<double>(i) * 0x1p-32;
      EXPECT_LE(std::abs(static_cast<double>(place.index) - share * static_cast<double>(i)), slack) << i;
    }
  }
}

TEST(Mixture, IsContiguousWithinEachSourceFarIntoTheRun) {
  const Mixture mixture(kSlimPajama);
  std::vector<uint64_t> next(kSlimPajama.size(), 0);
  std::vector<bool> seen(kSlimPajama.size(), false);
  for (uint64_t i = 146'000'000; i < 146'002'000; ++i) {
    const Mixture::Place place = mixture.place(i);
    if (seen[place.source]) {
      EXPECT_EQ(place.index, next[place.source]) << i;
    }
    seen[place.source] = true;
    next[place.source] = place.index + 1;
  }
  EXPECT_EQ(std::count(seen.begin(), seen.end(), true), static_cast<long>(kSlimPajama.size()));
}

TEST(Mixture, OnlyRatiosMatter) {
  EXPECT_EQ(Mixture({1, 3}).shares(), Mixture({10, 30}).shares());
  EXPECT_EQ(Mixture({1, 3}).shares(), (std::vector<uint64_t>{1u << 30, 3u << 30}));
}

}  // namespace
}  // namespace spectra::train
