// SPDX-License-Identifier: Apache-2.0
// Small tokenizer files: what is accepted, what is refused, and that the message says where.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/rng.h"
#include "test_data.h"
#include "text/bpe.h"
#include "text/tokenizer.h"

namespace spectra::text {
namespace {

using Ids = std::vector<uint32_t>;
using Json = nlohmann::json;

/// Byte-level, four letters and two merges. "Ġ" (U+0120) is the space.
Json small() {
  return {{"added_tokens", Json::array({{{"id", 8}, {"content", "<e>"}, {"special", true}, {"normalized", false}}})},
          {"normalizer", nullptr},
          {"pre_tokenizer", {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", true}}},
          {"decoder", {{"type", "ByteLevel"}}},
          {"model",
           {{"type", "BPE"},
            {"vocab",
             {{"a", 0},
              {"b", 1},
              {"c", 2},
              {"\xC4\xA0", 3},
              {"ab", 4},
              {"abc", 5},
              {"\xC4\xA0"
               "ab",
               6},
              {"cab", 7}}},
            {"merges", Json::array({"a b", "ab c", Json::array({"\xC4\xA0", "ab"})})}}}};
}

Tokenizer parse(const Json& json, const std::string& config = "") { return Tokenizer::parse(json.dump(), "t.json", config); }

/// The message of the Error that `json` is refused with.
std::string refusal(const Json& json) {
  try {
    parse(json);
  } catch (const Error& error) {
    return error.what() + std::string(" | ") + error.hint();
  }
  return "accepted";
}

TEST(TokenizerFile, BothSpellingsOfMerges) {
  const Tokenizer tokenizer = parse(small());
  EXPECT_EQ(tokenizer.encode("abc ab<e>c"), (Ids{5, 6, 8, 2}));
  EXPECT_EQ(tokenizer.decode({5, 6, 8, 2}), "abc abc");
  EXPECT_EQ(tokenizer.vocab_size(), 9);
  EXPECT_TRUE(tokenizer.is_special(8));
  EXPECT_FALSE(tokenizer.is_special(0));
  EXPECT_FALSE(tokenizer.is_special(1000));
}

TEST(TokenizerFile, BytesWithoutSymbol) {
  Json json = small();
  EXPECT_EQ(parse(json).encode("axc"), (Ids{0, 2}));  // dropped, as HF does
  json["model"]["unk_token"] = "c";
  EXPECT_EQ(parse(json).encode("axxb"), (Ids{0, 2, 2, 1}));
  json["model"]["fuse_unk"] = true;
  EXPECT_EQ(parse(json).encode("axxb"), (Ids{0, 2, 1}));
}

TEST(TokenizerFile, WholeWordsWithoutMerges) {
  Json json = small();
  EXPECT_EQ(parse(json).encode("cab"), (Ids{2, 4}));
  json["model"]["ignore_merges"] = true;
  EXPECT_EQ(parse(json).encode("cab"), Ids{7});
}

TEST(TokenizerFile, SpecialIdsFromConfigAndTemplate) {
  EXPECT_EQ(parse(small()).eos(), -1);
  const Tokenizer configured = parse(small(), R"({"eos_token": "<e>", "bos_token": {"content": "abc"}})");
  EXPECT_EQ(configured.eos(), 8);
  EXPECT_EQ(configured.bos(), 5);
  EXPECT_FALSE(configured.adds_bos());
  Json json = small();
  json["post_processor"] = {{"type", "TemplateProcessing"}, {"single", Json::array({{{"SpecialToken", {{"id", "<e>"}}}}})}};
  EXPECT_EQ(parse(json).bos(), 8);
  EXPECT_TRUE(parse(json).adds_bos());
  EXPECT_FALSE(parse(json, R"({"add_bos_token": false})").adds_bos());
}

TEST(TokenizerFile, SequenceOfSplitAndByteLevel) {
  Json json = small();
  json["pre_tokenizer"] = {
      {"type", "Sequence"},
      {"pretokenizers",
       Json::array({{{"type", "Split"}, {"pattern", {{"Regex", "b"}}}, {"behavior", "MergedWithPrevious"}, {"invert", false}},
                    {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", false}}})}};
  EXPECT_EQ(parse(json).encode("abc"), (Ids{4, 2}));  // the cut keeps "ab" and "c" apart
}

TEST(TokenizerFile, NormalizedAddedTokensAreFoundAfterNormalization) {
  Json json = small();
  json["normalizer"] = {{"type", "Replace"}, {"pattern", {{"String", "x"}}}, {"content", "a"}};
  json["added_tokens"].push_back({{"id", 9}, {"content", "xx"}, {"special", false}, {"normalized", true}});
  EXPECT_EQ(parse(json).encode("baab xxx"), (Ids{1, 9, 1, 3, 9, 0}));
}

TEST(TokenizerFile, DamageIsNamed) {
  const std::string text = small().dump();
  for (size_t cut = 0; cut < text.size(); cut += 7) EXPECT_THROW(Tokenizer::parse(text.substr(0, cut), "t.json"), Error) << cut;
  Json json = small();
  json["model"]["merges"].push_back("a q");
  EXPECT_NE(refusal(json).find("t.json.model.merges[3]"), std::string::npos) << refusal(json);
  json = small();
  json["model"]["vocab"]["a"] = 1;
  EXPECT_NE(refusal(json).find("the id 1"), std::string::npos) << refusal(json);
  json["model"]["vocab"]["a"] = -1;
  EXPECT_NE(refusal(json).find("t.json.model.vocab[\"a\"]"), std::string::npos) << refusal(json);
  json = small();
  json["model"].erase("vocab");
  EXPECT_NE(refusal(json).find("\"vocab\" is missing"), std::string::npos) << refusal(json);
  json = small();
  json["added_tokens"][0]["content"] = "abc";
  EXPECT_NE(refusal(json).find("added_tokens[0]"), std::string::npos) << refusal(json);
}

TEST(TokenizerFile, UnsupportedIsNamed) {
  const auto with = [](const char* part, const Json& value) {
    Json json = small();
    json[part] = value;
    return refusal(json);
  };
  EXPECT_NE(with("normalizer", {{"type", "Lowercase"}}).find("Lowercase"), std::string::npos);
  EXPECT_NE(with("pre_tokenizer", {{"type", "Metaspace"}}).find("Metaspace"), std::string::npos);
  EXPECT_NE(with("decoder", {{"type", "WordPiece"}}).find("WordPiece"), std::string::npos);
  Json json = small();
  json["model"]["type"] = "Unigram";
  EXPECT_NE(refusal(json).find("Unigram"), std::string::npos);
  json = small();
  json["model"]["dropout"] = 0.1;
  EXPECT_NE(refusal(json).find("dropout"), std::string::npos);
}

TEST(TokenizerFile, DirectoryWithoutTokenizer) {
  const test::TemporaryDirectory directory;
  EXPECT_THROW(Tokenizer::load(directory.path()), Error);
  EXPECT_THROW(Tokenizer::load(directory / "absent.json"), Error);
}

/// Merging by its definition: the best rank, leftmost, again and again.
Ids merge_slowly(Ids ids, const MergeTable& table) {
  for (;;) {
    MergeTable::Merge best;
    size_t where = 0;
    for (size_t i = 0; i + 1 < ids.size(); ++i) {
      const MergeTable::Merge merge = table.find(ids[i], ids[i + 1]);
      if (merge.rank >= best.rank) continue;
      best = merge;
      where = i;
    }
    if (best.rank == MergeTable::kNoRank) return ids;
    ids[where] = best.result;
    ids.erase(ids.begin() + static_cast<std::ptrdiff_t>(where) + 1);
  }
}

TEST(Bpe, ShortAndLongWordsMergeAsDefined) {
  Rng rng(11);
  for (int round = 0; round < 300; ++round) {
    Bpe bpe;
    bpe.byte_ids.fill(-1);
    for (int64_t id = 0; id < 4; ++id) bpe.byte_ids['a' + static_cast<size_t>(id)] = id;
    bpe.merges = MergeTable(40);
    for (uint32_t rank = 0; rank < 40; ++rank)
      bpe.merges.set(static_cast<uint32_t>(rng.below(4 + rank)), static_cast<uint32_t>(rng.below(4 + rank)), {rank, 4 + rank});
    std::string word;
    Ids symbols;
    for (uint64_t length = 1 + rng.below(round % 2 == 0 ? 48 : 400); length > 0; --length) {
      symbols.push_back(static_cast<uint32_t>(rng.below(4)));
      word.push_back(static_cast<char>('a' + symbols.back()));
    }
    Ids ids;
    bpe.encode(word, ids);
    ASSERT_EQ(ids, merge_slowly(symbols, bpe.merges)) << word;
  }
}

}  // namespace
}  // namespace spectra::text
