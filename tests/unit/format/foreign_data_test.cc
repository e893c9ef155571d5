// SPDX-License-Identifier: Apache-2.0
#include "unit/format/foreign_data.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "format/llmc.h"
#include "format/megatron.h"
#include "format/token_data.h"
#include "test_data.h"

namespace spectra::format {
namespace {

using Documents = std::vector<std::vector<std::vector<int64_t>>>;

/// Two sequences in a document, empty documents in the middle and at the end, an empty sequence.
const Documents kDocuments = {{{5, 6, 0}}, {{7, 8}, {9, 0}}, {}, {{1, 0}, {}}, {{2, 3, 4, 0}}, {}};
const std::vector<int32_t> kTokens = {5, 6, 0, 7, 8, 9, 0, 1, 0, 2, 3, 4, 0};
const std::vector<uint64_t> kStarts = {0, 3, 7, 9};

std::vector<int32_t> all_tokens(const TokenStream& stream) {
  std::vector<int32_t> tokens(stream.size());
  stream.read(0, tokens.size(), tokens.data());
  return tokens;
}

template <class Action>
std::string refusal(Action action) {
  try {
    action();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Exit::kBadInput);
    return std::string(error.what()) + " | " + error.hint();
  }
  return "accepted";
}

#define EXPECT_CONTAINS(text, part) EXPECT_NE((text).find(part), std::string::npos) << (text)

template <class T>
void expect_megatron_reads(uint8_t code) {
  const test::TemporaryDirectory directory;
  test::write_megatron<T>(directory / "books", kDocuments, code);
  for (const char* name : {"books", "books.bin", "books.idx"}) {
    ASSERT_TRUE(TokenData::recognize(directory / name)) << name;
    TokenData data(directory / name, true);
    EXPECT_STREQ(data.format(), "megatron");
    EXPECT_FALSE(data.has_tokenizer());
    data.set_tokenizer("sha", 10, 0);
    data.check_tokens();
    EXPECT_EQ(data.split_names(), std::vector<std::string>{"train"});
    const TokenStream& stream = data.split("train");
    EXPECT_EQ(stream.documents(), 6u);
    EXPECT_EQ(all_tokens(stream), kTokens) << int{code};
    EXPECT_EQ(stream.document_starts(), kStarts);
    EXPECT_EQ(stream.document_starts(1, 9), (std::vector<uint64_t>{3, 7}));
    EXPECT_EQ(stream.document_starts(3, 4), std::vector<uint64_t>{3});
    EXPECT_EQ(stream.document_number(6), 1u);
    EXPECT_EQ(stream.document_number(7), 3u);  // number 2 is empty
    EXPECT_EQ(stream.document_number(12), 4u);
  }
}

TEST(Megatron, ReadsEveryTypeOfToken) {
  expect_megatron_reads<uint8_t>(1);
  expect_megatron_reads<int8_t>(2);
  expect_megatron_reads<int16_t>(3);
  expect_megatron_reads<int32_t>(4);
  expect_megatron_reads<int64_t>(5);
  expect_megatron_reads<uint16_t>(8);
}

TEST(Megatron, TokensBeyondTheVocabularyNameFileAndIndex) {
  const test::TemporaryDirectory directory;
  const auto expect = [&](int64_t token, const char* shown) {
    test::write_megatron<int64_t>(directory / "d", {{{1, 2, token}}}, 5);
    TokenData data(directory / "d");
    data.set_tokenizer("sha", 10, 0);
    int32_t tokens[3];
    data.split("train").read(0, 2, tokens);
    EXPECT_CONTAINS(refusal([&] { data.split("train").read(1, 2, tokens); }), std::string("d.bin: token 2 is ") + shown);
  };
  expect(10, "10, the vocabulary ends at 9");
  expect(-1, "-1");
  expect((int64_t{1} << 32) + 3, "4294967299");  // not 3
}

TEST(Megatron, DamageIsFound) {
  const test::TemporaryDirectory directory;
  const fs::path index = directory / "d.idx", bin = directory / "d.bin";
  test::write_megatron<uint16_t>(directory / "d", kDocuments, 8);
  const std::string good = read_file(index), tokens = read_file(bin);
  const auto changed = [&](size_t at, char value, bool verify) {
    std::string bytes = good;
    bytes[at] = value;
    write_file(index, bytes);
    return refusal([&] {
      TokenData data(directory / "d", verify);
      data.set_tokenizer("sha", 10, 0);
      data.split("train").document_starts();
    });
  };
  EXPECT_CONTAINS(changed(0, 'X', false), "does not begin with MMIDIDX");
  EXPECT_CONTAINS(changed(9, 2, false), "version 2");
  EXPECT_CONTAINS(changed(17, 7, false), "type 7");
  EXPECT_CONTAINS(changed(18, 9, false), "9 sequences");
  EXPECT_CONTAINS(changed(33, 127, false), "document entries");
  EXPECT_CONTAINS(changed(17, 4, false), "is not where the last");  // i32 tokens: another size
  EXPECT_CONTAINS(changed(34, 4, true), "sequence 1 has");          // longer first sequence
  EXPECT_CONTAINS(changed(34, 4, false), "accepted");               // not needed to read
  const size_t documents = 34 + 12 * 6;
  EXPECT_CONTAINS(changed(documents + 8, 5, true), "out of order");
  EXPECT_CONTAINS(changed(documents + 8, 5, false), "out of order");
  EXPECT_CONTAINS(changed(documents + 8, 77, false), "out of order");
  write_file(index, good);
  write_file(bin, tokens.substr(0, tokens.size() - 2));
  EXPECT_CONTAINS(refusal([&] { TokenData(directory / "d"); }), "d.bin has 24 bytes");
}

TEST(Megatron, TheNameOfTheDataFollowsItsBytes) {
  const test::TemporaryDirectory directory;
  test::write_megatron<uint16_t>(directory / "a", kDocuments, 8);
  test::write_megatron<uint16_t>(directory / "b", kDocuments, 8);
  EXPECT_EQ(TokenData(directory / "a").sha256(), TokenData(directory / "b").sha256());
  test::write_megatron<uint16_t>(directory / "b", {{{5, 6, 1}}}, 8);
  EXPECT_NE(TokenData(directory / "a").sha256(), TokenData(directory / "b").sha256());
}

TEST(LlmC, ReadsAShardAndADirectoryOfShards) {
  const test::TemporaryDirectory directory;
  test::write_llmc(directory / "web_train_000001.bin", {9, 1, 2});
  test::write_llmc(directory / "web_train_000002.bin", {3, 9, 4});
  test::write_llmc(directory / "web_val_000000.bin", {9, 7});
  TokenData all(directory.path()), one(directory / "web_train_000002.bin");
  for (TokenData* data : {&all, &one}) {
    EXPECT_STREQ(data->format(), "llm.c");
    EXPECT_FALSE(data->has_tokenizer());
    data->set_tokenizer("sha", 10, 9);
  }
  EXPECT_EQ(all_tokens(all.split("train")), (std::vector<int32_t>{9, 1, 2, 3, 9, 4}));
  EXPECT_EQ(all_tokens(all.split("valid")), (std::vector<int32_t>{9, 7}));
  EXPECT_EQ(all_tokens(one.split("train")), (std::vector<int32_t>{3, 9, 4}));
  EXPECT_EQ(all.split("train").documents(), std::nullopt);
  EXPECT_EQ(all.split("train").document_starts(), (std::vector<uint64_t>{0, 4}));  // each begins with <|endoftext|>
  EXPECT_EQ(all.split("train").document_starts(1, 6), std::vector<uint64_t>{4});
  EXPECT_EQ(all.split("train").document_number(5), std::nullopt);
}

TEST(LlmC, DamageIsFound) {
  const test::TemporaryDirectory directory;
  const fs::path shard = directory / "s.bin";
  test::write_llmc(shard, {1, 2, 3});
  const std::string good = read_file(shard);
  const auto refused = [&](std::string bytes) {
    write_file(shard, bytes);
    return refusal([&] { open_llmc(shard); });
  };
  EXPECT_CONTAINS(refused(good.substr(0, 1000)), "has 1000 bytes");
  EXPECT_CONTAINS(refused(good.substr(0, 1029)), "has 1029 bytes, its header says 3 tokens");
  EXPECT_CONTAINS(refused(good + "xx"), "its header says 3 tokens");
  std::string other = good;
  other[4] = 7;
  EXPECT_CONTAINS(refused(other), "version 7");
  other = good;
  other[11] = '\xff';
  EXPECT_CONTAINS(refused(other), "tokens of 2 bytes");
  other[0] = 0;
  write_file(shard, other);
  EXPECT_FALSE(is_llmc(shard));
  EXPECT_CONTAINS(refusal([&] { TokenData{shard}; }), "is not token data");
}

TEST(Fingerprint, SeesEveryByteOfASmallFileAndTheSizeOfALargeOne) {
  const test::TemporaryDirectory directory;
  const auto of = [&](const std::string& bytes) {
    write_file(directory / "f", bytes);
    return fingerprint({std::make_shared<MappedFile>(directory / "f")});
  };
  std::string bytes(100'000, 'a');
  const std::string first = of(bytes);
  bytes[70'001] = 'b';
  EXPECT_NE(of(bytes), first);
  std::string large(5'000'001, 'a');
  const std::string whole = of(large);
  EXPECT_NE(of(large + "a"), whole);
  for (const size_t at : {size_t{0}, large.size() - 1}) {
    std::string changed = large;
    changed[at] = 'b';
    EXPECT_NE(of(changed), whole) << at;
  }
}

}  // namespace
}  // namespace spectra::format
