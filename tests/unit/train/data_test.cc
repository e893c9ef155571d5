// SPDX-License-Identifier: Apache-2.0
#include "train/data.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "base/hash.h"
#include "text/prepare.h"
#include "unit/format/foreign_data.h"
#include "unit/train/tiny_data.h"

namespace spectra::train {
namespace {

class DataTest : public ::testing::Test {
 protected:
  Recipe recipe(std::vector<DataSource> sources) const {
    Recipe recipe;
    recipe.sources = std::move(sources);
    return recipe;
  }
  Recipe one(const fs::path& path) const {
    Recipe recipe;
    recipe.data = path.string();
    return recipe;
  }
  std::string refusal(const Recipe& recipe) const {
    try {
      TrainingData{recipe};
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), Exit::kBadInput);
      return std::string(error.what()) + " | " + error.hint();
    }
    return "accepted";
  }
  fs::path stories() const {
    text::PrepareOptions options;
    options.stories = 100;
    options.train_vocabulary = 300;
    options.out = directory / "stories";
    text::prepare(options);
    return options.out;
  }

  test::TemporaryDirectory directory;
  fs::path a = test::write_tiny_data(directory / "a", 500, 60, 1), b = test::write_tiny_data(directory / "b", 300, 0, 2);
};

#define EXPECT_CONTAINS(text, part) EXPECT_NE((text).find(part), std::string::npos) << (text)

TEST_F(DataTest, OneSourceIsItself) {
  const TrainingData data(one(a)), as_source(recipe({{a.string(), 7}}));
  EXPECT_EQ(data.sha256(), format::TokenData(a).sha256());
  EXPECT_EQ(as_source.sha256(), data.sha256());
  EXPECT_EQ(data.vocab(), test::kTinyVocab);
  EXPECT_EQ(data.tokenizer_path(), a);
  EXPECT_EQ(data.name(), a.string());
  ASSERT_EQ(data.train().size(), 1u);
  EXPECT_EQ(data.train()[0].stream->size(), 500u);
  ASSERT_EQ(data.valid().size(), 1u);
}

TEST_F(DataTest, AMixtureIsNamedByItsPartsAndShares) {
  const auto named = [&](std::vector<DataSource> sources) { return TrainingData(recipe(std::move(sources))).sha256(); };
  const std::string first = named({{a, 1}, {b, 3}});
  EXPECT_EQ(named({{a, 2}, {b, 6}}), first);
  EXPECT_NE(named({{a, 3}, {b, 1}}), first);
  EXPECT_NE(named({{b, 3}, {a, 1}}), first);
  EXPECT_NE(named({{a, 1}, {a, 3}}), first);
  EXPECT_EQ(first, sha256(fmt::format("{} {}\n{} {}\n", format::TokenData(a).sha256(), 1u << 30, format::TokenData(b).sha256(),
                                      3u << 30)));
  const TrainingData data(recipe({{a, 1}, {b, 3}}));
  EXPECT_EQ(data.train().size(), 2u);
  EXPECT_EQ(data.train()[1].weight, 3);
  EXPECT_EQ(data.valid().size(), 1u);  // b has none
  EXPECT_EQ(data.name(), a.string() + " and 1 more");
}

TEST_F(DataTest, SourcesOfTwoTokenizersAreRefusedNamingBoth) {
  const fs::path other = test::write_tiny_data(directory / "other", 300, 0, 2, "{\"other\": 1}");
  const std::string said = refusal(recipe({{a, 1}, {other, 1}}));
  EXPECT_CONTAINS(said, a.string());
  EXPECT_CONTAINS(said, other.string());
  EXPECT_CONTAINS(said, sha256("{\"other\": 1}"));
}

TEST_F(DataTest, ValidationDataOfItsOwn) {
  Recipe own = one(b);
  EXPECT_TRUE(TrainingData(own).valid().empty());
  own.valid_data = a.string();  // its valid split
  EXPECT_EQ(TrainingData(own).valid().at(0).stream->size(), 60u);
  own.valid_data = b.string();  // has none: all of it
  EXPECT_EQ(TrainingData(own).valid().at(0).stream->size(), 300u);
  EXPECT_EQ(TrainingData(own).sha256(), TrainingData(one(b)).sha256());
}

TEST_F(DataTest, ForeignDataNeedsATokenizer) {
  const fs::path stories_path = stories();
  const format::TokenData native(stories_path);
  std::vector<int32_t> tokens(native.split("train").size());
  native.split("train").read(0, tokens.size(), tokens.data());
  test::write_megatron<uint16_t>(directory / "pair", {{{tokens.begin(), tokens.end()}}}, 8);

  Recipe foreign = one(directory / "pair");
  EXPECT_CONTAINS(refusal(foreign), "give data.tokenizer");
  foreign.tokenizer = (directory / "nowhere").string();
  EXPECT_CONTAINS(refusal(foreign), "data.tokenizer = ");
  for (const fs::path& path : {stories_path, stories_path / "tokenizer.json"}) {
    foreign.tokenizer = path.string();
    const TrainingData data(foreign);
    EXPECT_EQ(data.vocab(), native.info().vocab);
    EXPECT_EQ(data.eos(), native.info().eos);
    EXPECT_EQ(data.tokenizer_sha256(), native.info().tokenizer_sha256);
    EXPECT_EQ(data.tokenizer_path(), stories_path);
    // The same tokens in another format are read in the same order.
    const Loader ours({{&native.split("train"), 1, ""}}, 32, 4), theirs(data.train(), 32, 4);
    MicroBatch left, right;
    ours.read(0, 20, left);
    theirs.read(0, 20, right);
    EXPECT_EQ(left.tokens, right.tokens);
  }
  // Beside native data, the tokenizer is known.
  const TrainingData mixed(recipe({{directory / "pair", 1}, {stories_path, 1}}));
  EXPECT_EQ(mixed.vocab(), native.info().vocab);
  EXPECT_EQ(mixed.tokenizer_path(), stories_path);
}

TEST_F(DataTest, SmallDataIsReadWholeAndLargeDataNot) {
  const fs::path file = a / "tokens-00000.bin";
  std::string bytes = read_file(file);
  bytes[6] = static_cast<char>(test::kTinyVocab);
  write_file(file, bytes);
  EXPECT_CONTAINS(refusal(one(a)), "tokens-00000.bin is damaged: its sha256");
  const TrainingData unread(one(a), DataCheck::kNone);  // as for data above the limit: found when it is read
  const Loader loader(unread.train(), 16, 1);
  MicroBatch batch;
  try {
    for (uint64_t i = 0; i < 31; ++i) loader.read(i, 1, batch);
    ADD_FAILURE() << "accepted";
  } catch (const Error& error) {
    EXPECT_CONTAINS(std::string(error.what()), "tokens-00000.bin: token 3 is 100, the vocabulary ends at 99");
  }
}

}  // namespace
}  // namespace spectra::train
