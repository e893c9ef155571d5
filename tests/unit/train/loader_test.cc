// SPDX-License-Identifier: Apache-2.0
#include "train/loader.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <set>

#include "base/error.h"
#include "unit/train/tiny_data.h"

namespace spectra::train {
namespace {

TEST(Permute, IsAPermutationOfEverySmallCountAndEpoch) {
  for (uint64_t count = 1; count <= 130; ++count) {
    for (uint64_t epoch : {0, 1, 2}) {
      std::set<uint64_t> seen;
      for (uint64_t i = 0; i < count; ++i) seen.insert(permute(i, count, 42, epoch));
      EXPECT_EQ(seen.size(), count);
      EXPECT_EQ(*seen.rbegin(), count - 1);
    }
  }
}

TEST(Permute, MixesWell) {
  constexpr uint64_t kCount = 100'003;
  double sum = 0, neighbours = 0;
  uint64_t fixed = 0, same_in_next_epoch = 0;
  for (uint64_t i = 0; i < kCount; ++i) {
    const auto image = permute(i, kCount, 7, 0);
    sum += static_cast<double>(i) * static_cast<double>(image);
    fixed += image == i;
    same_in_next_epoch += image == permute(i, kCount, 7, 1);
    if (i > 0) neighbours += image > permute(i - 1, kCount, 7, 0) ? 1 : 0;
  }
  const double n = static_cast<double>(kCount), mean = (n - 1) / 2, variance = (n * n - 1) / 12;
  EXPECT_NEAR((sum / n - mean * mean) / variance, 0, 0.02);  // correlation: 6 standard deviations
  EXPECT_NEAR(neighbours / n, 0.5, 0.01);
  EXPECT_LT(fixed, 10u);
  EXPECT_LT(same_in_next_epoch, 10u);
}

TEST(Permute, DependsOnTheSeed) {
  int different = 0;
  for (uint64_t i = 0; i < 1000; ++i) different += permute(i, 1000, 1, 0) != permute(i, 1000, 2, 0);
  EXPECT_GT(different, 950);
}

TEST(Permute, HandlesHugeCounts) {
  for (const uint64_t count : {uint64_t{1} << 40, (uint64_t{1} << 62) + 1, UINT64_MAX})
    for (uint64_t i = 0; i < 100; ++i) EXPECT_LT(permute(count - 1 - i, count, 3, 5), count);
}

class LoaderTest : public ::testing::Test {
 protected:
  test::TemporaryDirectory directory;
  fs::path path = test::write_tiny_data(directory / "data", 1003, 77);
  format::TokenData data{path};
  const format::TokenStream& stream = data.split("train");
};

TEST_F(LoaderTest, AnEpochReadsEveryWindowOnce) {
  const Loader loader(stream, 10, 1, "data");
  EXPECT_EQ(loader.windows(), 100u);  // (1003 - 1) / 10
  std::vector<int32_t> all(1003), tokens, targets;
  stream.read(0, all.size(), all.data());
  std::multiset<std::vector<int32_t>> read, wanted;
  for (uint64_t i = 0; i < loader.windows(); ++i) {
    loader.read(100 + i, 1, tokens, targets);  // the second epoch
    EXPECT_TRUE(std::equal(tokens.begin() + 1, tokens.end(), targets.begin()));
    tokens.push_back(targets.back());
    read.insert(tokens);
    wanted.emplace(all.begin() + static_cast<long>(i) * 10, all.begin() + static_cast<long>(i) * 10 + 11);
  }
  EXPECT_EQ(read, wanted);
}

TEST_F(LoaderTest, TheOrderDoesNotDependOnTheBatch) {
  const Loader loader(stream, 16, 5, "data");
  std::vector<int32_t> whole, whole_targets, tokens, targets, joined;
  loader.read(0, 150, whole, whole_targets);  // more than two epochs of 62
  for (const int64_t batch : {1, 3, 50}) {
    joined.clear();
    for (int64_t first = 0; first < 150; first += batch) {
      loader.read(static_cast<uint64_t>(first), batch, tokens, targets);
      joined.insert(joined.end(), tokens.begin(), tokens.end());
    }
    EXPECT_EQ(joined, whole) << batch;
  }
}

TEST_F(LoaderTest, DataShorterThanAWindowIsRefused) {
  EXPECT_NO_THROW(Loader(stream, 1002, 1, "data"));
  try {
    Loader(stream, 1003, 1, "data/x");
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Exit::kBadInput);
    EXPECT_STREQ(error.what(), "data/x: split \"train\" holds 1003 tokens, fewer than the 1004 of one window");
  }
}

TEST_F(LoaderTest, ValidationScoresEachTokenOnceWithinItsBudget) {
  const ValidationWindows windows(data.split("valid"), 10, 1'000'000, "data");
  const auto size = static_cast<int64_t>(data.split("valid").size());
  EXPECT_EQ(windows.scored(), size - 1);
  std::vector<int32_t> all(static_cast<size_t>(size)), tokens, targets, scored;
  data.split("valid").read(0, all.size(), all.data());
  for (int64_t w = 0; w < windows.windows(); w += 3) {
    windows.read(w, 3, tokens, targets);
    ASSERT_EQ(tokens.size(), 30u);
    for (size_t i = 0; i < targets.size(); ++i)
      if (targets[i] >= 0) scored.push_back(targets[i]);
  }
  EXPECT_EQ(scored, std::vector<int32_t>(all.begin() + 1, all.end()));
  EXPECT_EQ(ValidationWindows(data.split("valid"), 10, 25, "data").scored(), 25);
  EXPECT_EQ(ValidationWindows(data.split("valid"), 10, 25, "data").windows(), 3);
}

}  // namespace
}  // namespace spectra::train
