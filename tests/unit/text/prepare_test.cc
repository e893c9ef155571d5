// SPDX-License-Identifier: Apache-2.0
#include "text/prepare.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "base/error.h"
#include "base/rng.h"
#include "format/token_data.h"
#include "test_data.h"
#include "text/bpe_trainer.h"
#include "text/tokenizer.h"

namespace spectra::text {
namespace {

/// 400 documents of invented words.
std::string corpus(uint64_t seed) {
  static const char* const kSyllables[] = {"ka", "lo", "mir", "en", "tus", "a", "shi", "or", "bel", "un"};
  Rng rng(seed);
  std::string text;
  for (int document = 0; document < 400; ++document) {
    for (uint64_t words = 5 + rng.below(60); words > 0; --words) {
      for (uint64_t syllables = 1 + rng.below(3); syllables > 0; --syllables) text += kSyllables[rng.below(rng.below(10) + 1)];
      text += rng.below(9) == 0 ? ".\n" : " ";
    }
    text += "end\n\n\n";
  }
  return text;
}

std::map<std::string, std::string> contents(const fs::path& directory) {
  std::map<std::string, std::string> files;
  for (const auto& entry : fs::directory_iterator(directory)) files[entry.path().filename().string()] = read_file(entry.path());
  return files;
}

TEST(Trainer, MergesTheMostFrequentPairs) {
  WordCounter words;
  for (int i = 0; i < 5; ++i) words.add("low low low lower newest newest");
  const Tokenizer tokenizer = Tokenizer::parse(train_bpe(words, 265), "trained");
  EXPECT_EQ(tokenizer.vocab_size(), 265);
  EXPECT_EQ(tokenizer.eos(), 0);
  EXPECT_EQ(tokenizer.bos(), 0);
  EXPECT_EQ(tokenizer.encode(" low").size(), 1u);
  EXPECT_EQ(tokenizer.decode(tokenizer.encode("lower, \xE4\xBD\xA0\n newest")), "lower, \xE4\xBD\xA0\n newest");
  for (uint32_t byte = 1; byte <= 256; ++byte) EXPECT_EQ(tokenizer.piece(byte).size(), 1u);
}

/// Training by its definition: count all pairs anew before each merge; ties go to the lower ids.
TEST(Trainer, SameAsCountingAnewForEveryMerge) {
  WordCounter words;
  words.add(corpus(1) + " aaaa aaaaa aaaaaaa abab ababab");
  const int64_t vocabulary = 257 + 150;
  const Tokenizer trained = Tokenizer::parse(train_bpe(words, vocabulary), "trained");

  const Tokenizer bytes = Tokenizer::parse(train_bpe(words, 257), "bytes");
  std::map<std::string, uint32_t> ids;
  std::vector<std::string> texts(257);
  for (uint32_t id = 1; id < 257; ++id) ids[texts[id] = bytes.piece(id)] = id;
  std::map<std::vector<uint32_t>, int64_t> symbols;
  for (const auto& [word, count] : words.counts()) {
    std::vector<uint32_t> split;
    for (const char byte : word) split.push_back(ids.at(std::string(1, byte)));
    symbols[split] += static_cast<int64_t>(count);
  }
  while (texts.size() < static_cast<size_t>(vocabulary)) {
    std::map<std::pair<uint32_t, uint32_t>, int64_t> pairs;
    for (const auto& [word, count] : symbols)
      for (size_t i = 0; i + 1 < word.size(); ++i) pairs[{word[i], word[i + 1]}] += count;
    ASSERT_FALSE(pairs.empty());
    auto best = pairs.begin();
    for (auto pair = pairs.begin(); pair != pairs.end(); ++pair)
      if (pair->second > best->second) best = pair;
    const auto [left, right] = best->first;
    const auto known = ids.emplace(texts[left] + texts[right], static_cast<uint32_t>(texts.size()));
    if (known.second) texts.push_back(known.first->first);
    std::map<std::vector<uint32_t>, int64_t> merged;
    for (const auto& [word, count] : symbols) {
      std::vector<uint32_t> next;
      for (size_t i = 0; i < word.size(); ++i) {
        const bool found = word[i] == left && i + 1 < word.size() && word[i + 1] == right;
        next.push_back(found ? known.first->second : word[i]);
        if (found) ++i;
      }
      merged[next] += count;
    }
    symbols = merged;
  }
  for (uint32_t id = 1; id < texts.size(); ++id) EXPECT_EQ(trained.piece(id), texts[id]) << id;
}

TEST(Trainer, SmallCorpusGivesASmallVocabulary) {
  WordCounter words;
  words.add("ab ab");
  EXPECT_LT(Tokenizer::parse(train_bpe(words, 5000), "trained").vocab_size(), 262);
}

TEST(Trainer, OrderOfCountingDoesNotMatter) {
  WordCounter forward, backward, second;
  const std::string one = corpus(1), two = corpus(2);
  forward.add(one);
  forward.add(two);
  backward.add(two);
  second.add(one);
  backward.add(second);
  EXPECT_EQ(train_bpe(forward, 600), train_bpe(backward, 600));
}

class Prepare : public testing::Test {
 protected:
  Prepare() {
    write_file(directory_ / "a.txt", corpus(1));
    write_file(directory_ / "b.txt", "caf\xC3\xA9 \xFF\n\n\nlast document");
    options_.inputs = {directory_ / "a.txt", directory_ / "b.txt"};
    options_.train_vocabulary = 400;
    options_.valid_fraction = 0.1;
    options_.out = directory_ / "data";
  }
  test::TemporaryDirectory directory_;
  PrepareOptions options_;
};

TEST_F(Prepare, DocumentsAreThereInOrderWithEos) {
  options_.valid_fraction = 0;
  const PrepareSummary summary = prepare(options_);
  EXPECT_EQ(summary.train.documents, 402u);
  EXPECT_EQ(summary.valid.documents, 0u);
  EXPECT_EQ(summary.replaced_bytes, 1u);
  const format::TokenData data(options_.out, true);
  const Tokenizer tokenizer = Tokenizer::load(options_.out);
  EXPECT_EQ(data.info().tokenizer_sha256, tokenizer.sha256());
  EXPECT_EQ(data.info().vocab, tokenizer.vocab_size());
  EXPECT_EQ(data.info().replaced_bytes, 1u);
  ASSERT_EQ(data.info().sources.size(), 2u);
  EXPECT_FALSE(data.has("valid"));
  const format::TokenStream& train = data.split("train");
  EXPECT_EQ(train.size(), summary.train.tokens);
  const uint64_t begin = train.document_starts()[400];
  std::vector<int32_t> last(train.size() - begin);
  train.read(begin, last.size(), last.data());
  EXPECT_EQ(tokenizer.decode({last.begin(), last.end()}, true), "caf\xC3\xA9 \xEF\xBF\xBD<|endoftext|>last document<|endoftext|>");
}

TEST_F(Prepare, SameBytesForAnyNumberOfThreads) {
  prepare(options_);
  const auto first = contents(options_.out);
  EXPECT_EQ(first.count("tokenizer.json") + first.count("tokenizer_config.json") + first.count("special_tokens_map.json"), 3u);
  for (const int threads : {1, 2, 5}) {
    options_.out = directory_ / ("again" + std::to_string(threads));
    options_.threads = threads;
    prepare(options_);
    EXPECT_EQ(contents(options_.out), first) << threads;
  }
  options_.out = directory_ / "other";
  options_.seed = 2;
  prepare(options_);
  EXPECT_NE(contents(options_.out), first);
}

TEST_F(Prepare, ValidationFilesAndDrawnDocuments) {
  const PrepareSummary drawn = prepare(options_);
  EXPECT_EQ(drawn.train.documents + drawn.valid.documents, 402u);
  EXPECT_NEAR(static_cast<double>(drawn.valid.documents), 40, 20);
  options_.valid_fraction = 0;
  options_.valid_files = {directory_ / "b.txt"};
  options_.inputs = {directory_ / "a.txt"};
  options_.out = directory_ / "files";
  const PrepareSummary files = prepare(options_);
  EXPECT_EQ(files.train.documents, 400u);
  EXPECT_EQ(files.valid.documents, 2u);
}

TEST_F(Prepare, SpecialTokensInTextStayText) {
  write_file(directory_ / "a.txt", "abc<|endoftext|>abc abc abc");
  options_.inputs = {directory_ / "a.txt"};
  options_.valid_fraction = 0;
  EXPECT_EQ(prepare(options_).train.documents, 1u);
  const format::TokenData data(options_.out);
  std::vector<int32_t> ids(data.split("train").size());
  data.split("train").read(0, ids.size(), ids.data());
  EXPECT_EQ(std::count(ids.begin(), ids.end(), 0), 1);
}

TEST_F(Prepare, Stories) {
  PrepareOptions options;
  options.stories = 300;
  options.valid_fraction = 0.01;
  options.train_vocabulary = 512;
  options.out = directory_ / "stories";
  const PrepareSummary summary = prepare(options);
  EXPECT_EQ(summary.train.documents, 300u);
  EXPECT_EQ(summary.valid.documents, 3u);
}

TEST_F(Prepare, NothingIsLeftAfterAnError) {
  const auto fails = [&] {
    EXPECT_THROW(prepare(options_), Error);
    for (const auto& entry : fs::directory_iterator(directory_.path())) EXPECT_TRUE(entry.is_regular_file()) << entry.path();
  };
  const PrepareOptions good = options_;
  write_file(directory_ / "empty.txt", "\n\n \n");
  options_.inputs = {directory_ / "empty.txt"};
  fails();  // an empty corpus
  options_ = good;
  write_file(directory_ / "bad.jsonl", "{\"text\": \"fine\"}\n{\"text\": \"cut\n");
  options_.inputs.push_back(directory_ / "bad.jsonl");
  fails();
  prepare({{directory_ / "a.txt"}, {}, 0, 0, 1, {}, 300, directory_ / "good", 0});
  options_.train_vocabulary = 0;
  options_.tokenizer = directory_ / "good";
  EXPECT_THROW(prepare(options_), Error);
  options_.inputs = {directory_ / "a.txt"};
  options_.valid_fraction = 1e-9;
  EXPECT_THROW(prepare(options_), Error);
  EXPECT_FALSE(fs::exists(options_.out));
  options_.out = directory_ / "good";
  EXPECT_THROW(prepare(options_), Error);
}

}  // namespace
}  // namespace spectra::text
