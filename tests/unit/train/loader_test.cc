// SPDX-License-Identifier: Apache-2.0
#include "train/loader.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <set>

#include "base/error.h"
#include "format/token_data.h"
#include "infer/perplexity.h"
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
  Loader loader_of(int64_t sequence, uint64_t seed, bool mask = false) const {
    return {{{&stream, 1, "data"}}, sequence, seed, mask};
  }
  ValidationWindows windows_of(int64_t sequence, int64_t budget, bool mask = false) const {
    return {{{&data.split("valid"), 1, "data"}}, sequence, budget, mask};
  }
};

TEST_F(LoaderTest, AnEpochReadsEveryWindowOnce) {
  const Loader loader = loader_of(10, 1);
  EXPECT_EQ(loader.place(0).windows_there, 100u);  // (1003 - 1) / 10
  std::vector<int32_t> all(1003);
  MicroBatch batch;
  stream.read(0, all.size(), all.data());
  std::multiset<std::vector<int32_t>> read, wanted;
  for (uint64_t i = 0; i < loader.place(0).windows_there; ++i) {
    loader.read(100 + i, 1, batch);  // the second epoch
    EXPECT_TRUE(std::equal(batch.tokens.begin() + 1, batch.tokens.end(), batch.targets.begin()));
    EXPECT_TRUE(batch.first_keys.empty());
    batch.tokens.push_back(batch.targets.back());
    read.insert(batch.tokens);
    wanted.emplace(all.begin() + static_cast<long>(i) * 10, all.begin() + static_cast<long>(i) * 10 + 11);
  }
  EXPECT_EQ(read, wanted);
}

TEST_F(LoaderTest, TheOrderDoesNotDependOnTheBatch) {
  const Loader loader = loader_of(16, 5);
  MicroBatch whole, batch;
  std::vector<int32_t> joined;
  loader.read(0, 150, whole);  // more than two epochs of 62
  for (const int64_t count : {1, 3, 50}) {
    joined.clear();
    for (int64_t first = 0; first < 150; first += count) {
      loader.read(static_cast<uint64_t>(first), count, batch);
      joined.insert(joined.end(), batch.tokens.begin(), batch.tokens.end());
    }
    EXPECT_EQ(joined, whole.tokens) << count;
  }
}

TEST_F(LoaderTest, DataShorterThanAWindowIsRefused) {
  EXPECT_NO_THROW(loader_of(1002, 1));
  try {
    Loader({{&stream, 1, "data/x: split \"train\""}}, 1003, 1);
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Exit::kBadInput);
    EXPECT_STREQ(error.what(), "data/x: split \"train\" holds 1003 tokens, fewer than the 1004 of one window");
  }
}

TEST_F(LoaderTest, ValidationScoresEachTokenOnceWithinItsBudget) {
  const ValidationWindows windows = windows_of(10, 1'000'000);
  const auto size = static_cast<int64_t>(data.split("valid").size());
  EXPECT_EQ(windows.scored(), size - 1);
  std::vector<int32_t> all(static_cast<size_t>(size)), scored;
  MicroBatch batch;
  data.split("valid").read(0, all.size(), all.data());
  for (int64_t w = 0; w < windows.windows(); w += 3) {
    windows.read(w, 3, batch);
    ASSERT_EQ(batch.tokens.size(), 30u);
    for (const int32_t target : batch.targets)
      if (target >= 0) scored.push_back(target);
  }
  EXPECT_EQ(scored, std::vector<int32_t>(all.begin() + 1, all.end()));
  EXPECT_EQ(windows_of(10, 25).scored(), 25);
  EXPECT_EQ(windows_of(10, 25).windows(), 3);
}

/// `spectra perplexity --data` scores what validation scores.
TEST_F(LoaderTest, InferenceCutsTheSameValidationWindows) {
  for (const int64_t budget : {1, 25, 30, 1'000'000}) {
    const ValidationWindows windows = windows_of(10, budget);
    const std::vector<infer::Window> cut = infer::validation_windows(data.split("valid"), 10, budget);
    ASSERT_EQ(static_cast<int64_t>(cut.size()), windows.windows());
    for (size_t w = 0; w < cut.size(); ++w) {
      MicroBatch batch;
      windows.read(static_cast<int64_t>(w), 1, batch);
      std::vector<int32_t> targets = cut[w].targets, tokens = cut[w].input;
      targets.resize(10, -1), tokens.resize(10, 0);
      EXPECT_EQ(targets, batch.targets);
      EXPECT_EQ(tokens, batch.tokens);
      EXPECT_EQ(cut[w].first, 0);
    }
  }
}

/// First keys from the tokens alone: a document begins after each EOS (0), and every window may begin inside of one.
std::vector<int32_t> first_keys_of(const std::vector<int32_t>& tokens) {
  std::vector<int32_t> keys;
  int32_t first = 0;
  for (size_t i = 0; i < tokens.size(); ++i) {
    if (i > 0 && tokens[i - 1] == 0) first = static_cast<int32_t>(i);
    keys.push_back(first);
  }
  return keys;
}

TEST_F(LoaderTest, FirstKeysAreTheStartsOfTheDocuments) {
  const Loader loader = loader_of(50, 1, true);
  const ValidationWindows windows = windows_of(50, 1'000'000, true);
  MicroBatch batch;
  bool masked = false;
  for (uint64_t i = 0; i < loader.place(0).windows_there; ++i) {
    loader.read(i, 1, batch);
    EXPECT_EQ(batch.first_keys, first_keys_of(batch.tokens));
    masked = masked || batch.first_keys.back() > 0;
  }
  EXPECT_TRUE(masked);
  windows.read(0, 2, batch);
  ASSERT_EQ(batch.first_keys.size(), 100u);
  EXPECT_EQ(std::vector<int32_t>(batch.first_keys.begin(), batch.first_keys.begin() + 50),
            first_keys_of({batch.tokens.begin(), batch.tokens.begin() + 50}));
  EXPECT_GT(batch.first_keys[49], 0);
  EXPECT_EQ(batch.first_keys.back(), 0);  // 76 scored tokens: the last row is not full
}

TEST_F(LoaderTest, AMixtureReadsEachSourceInItsOwnOrder) {
  const format::TokenData small(test::write_tiny_data(directory / "small", 205, 30, 2));
  const format::TokenStream& other = small.split("train");
  const Loader mixed({{&stream, 3, "data"}, {&other, 1, "small"}}, 10, 5), first = loader_of(10, 5);
  const Loader second({{&other, 1, "small"}}, 10, 5);
  uint64_t counts[2] = {0, 0};
  MicroBatch batch, expected;
  for (uint64_t i = 0; i < 400; ++i) {
    const Loader::Place place = mixed.place(i);
    ASSERT_LT(place.source, 2u);
    mixed.read(i, 1, batch);
    (place.source == 0 ? first : second).read(counts[place.source]++, 1, expected);
    ASSERT_EQ(batch.tokens, expected.tokens) << i;
    ASSERT_EQ(batch.targets, expected.targets) << i;
  }
  EXPECT_EQ(counts[0], 300u);  // 3 epochs of 100 windows
  EXPECT_EQ(counts[1], 100u);  // 5 epochs of 20
  EXPECT_EQ(mixed.place(399).epoch, mixed.place(399).source == 0 ? 2u : 4u);
}

TEST_F(LoaderTest, AMixtureIsValidatedInProportion) {
  const format::TokenData small(test::write_tiny_data(directory / "small", 205, 30, 2));
  const std::vector<LoaderSource> splits = {{&data.split("valid"), 3, "data"}, {&small.split("valid"), 1, "small"}};
  const ValidationWindows windows(splits, 10, 60);
  EXPECT_EQ(windows.scored(), 60);
  ASSERT_EQ(windows.windows(), 5 + 2);  // 45 and 15 tokens
  MicroBatch batch;
  std::vector<int32_t> scored, expected(60);
  windows.read(0, 8, batch);
  for (const int32_t target : batch.targets)
    if (target >= 0) scored.push_back(target);
  data.split("valid").read(1, 45, expected.data());
  small.split("valid").read(1, 15, expected.data() + 45);
  EXPECT_EQ(scored, expected);
  EXPECT_EQ(ValidationWindows(splits, 10, 1'000'000).scored(), 76 + 29);
}

}  // namespace
}  // namespace spectra::train
