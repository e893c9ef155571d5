// SPDX-License-Identifier: Apache-2.0
#include "format/token_data.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <numeric>

#include "base/error.h"
#include "base/rng.h"
#include "test_data.h"

namespace spectra::format {
namespace {

std::vector<std::vector<uint32_t>> some_documents(int64_t vocab) {
  Rng rng(5);
  std::vector<std::vector<uint32_t>> documents;
  for (size_t i = 0; i < 40; ++i) {
    std::vector<uint32_t> document(1 + rng.below(30));
    for (uint32_t& id : document) id = static_cast<uint32_t>(rng.below(static_cast<uint64_t>(vocab)));
    documents.push_back(document);
  }
  return documents;
}

void write_data(const fs::path& out, int64_t vocab, uint64_t tokens_per_file) {
  TokenDataWriter writer(out, vocab, tokens_per_file);
  const auto documents = some_documents(vocab);
  for (size_t i = 0; i < documents.size(); ++i) writer.append(i % 4 == 3 ? "valid" : "train", documents[i]);
  TokenDataInfo info;
  info.tokenizer_sha256 = std::string(64, 'a');
  info.vocab = vocab;
  info.eos = 3;
  info.sources = {{"a.txt", std::string(64, 'b')}};
  info.replaced_bytes = 7;
  writer.finish(info);
}

std::string complaint(const fs::path& path, bool verify) {
  try {
    const TokenData data(path, verify);
    for (const auto& split : data.split_names()) data.split(split).document_starts();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Exit::kBadInput);
    return error.what();
  }
  return "";
}

TEST(TokenData, RoundTripsAcrossFilesAndWidths) {
  // A file per 50 tokens: documents of up to 30 tokens lie across files.
  for (const int64_t vocab : {int64_t{512}, int64_t{65536}, int64_t{65537}, int64_t{200000}})
    for (const uint64_t per_file : {uint64_t{1} << 30, uint64_t{50}}) {
      const test::TemporaryDirectory temporary;
      write_data(temporary / "data", vocab, per_file);
      const TokenData data(temporary / "data", true);
      data.check_tokens();
      EXPECT_EQ(data.info().vocab, vocab);
      EXPECT_EQ(data.info().eos, 3);
      EXPECT_EQ(data.info().replaced_bytes, 7u);
      EXPECT_EQ(data.info().sources, (std::vector<std::pair<std::string, std::string>>{{"a.txt", std::string(64, 'b')}}));
      const auto documents = some_documents(vocab);
      for (const std::string split : {"train", "valid"}) {
        std::vector<int32_t> expected;
        std::vector<uint64_t> starts;
        for (size_t i = 0; i < documents.size(); ++i) {
          if ((i % 4 == 3) != (split == "valid")) continue;
          starts.push_back(expected.size());
          for (const uint32_t id : documents[i]) expected.push_back(static_cast<int32_t>(id));
        }
        const TokenStream& stream = data.split(split);
        ASSERT_EQ(stream.size(), expected.size());
        EXPECT_EQ(stream.documents(), starts.size());
        EXPECT_EQ(stream.document_starts(), starts);
        for (uint64_t begin = 0; begin <= stream.size(); begin += 7)
          for (const uint64_t end : {begin, begin + 1, begin + 60})
            EXPECT_EQ(stream.document_starts(begin, end),
                      (std::vector<uint64_t>{std::lower_bound(starts.begin(), starts.end(), begin),
                                             std::lower_bound(starts.begin(), starts.end(), end)}))
                << begin << " " << end;
        for (uint64_t begin = 0; begin < stream.size(); begin += 13)
          for (const uint64_t count : {uint64_t{0}, uint64_t{1}, uint64_t{20}}) {
            if (begin + count > stream.size()) continue;
            std::vector<int32_t> seen(count);
            stream.read(begin, count, seen.data());
            for (uint64_t i = 0; i < count; ++i) EXPECT_EQ(seen[i], expected[begin + i]);
          }
      }
      EXPECT_EQ(fs::exists(temporary / "data/tokens-00002.bin"), per_file < 100);
    }
}

TEST(TokenData, IsDeterministic) {
  const test::TemporaryDirectory temporary;
  write_data(temporary / "one", 512, 50);
  write_data(temporary / "two", 512, 50);
  EXPECT_EQ(TokenData(temporary / "one").sha256(), TokenData(temporary / "two").sha256());
}

TEST(TokenData, TruncationNamesTheFileAndSizes) {
  const test::TemporaryDirectory temporary;
  write_data(temporary / "data", 512, 1000);
  const fs::path file = temporary / "data/tokens-00000.bin";
  const auto size = fs::file_size(file);
  fs::resize_file(file, size - 3);
  const std::string seen = complaint(temporary / "data", false);
  EXPECT_NE(seen.find("tokens-00000.bin has " + std::to_string(size - 3) + " bytes"), std::string::npos) << seen;
  EXPECT_NE(seen.find(std::to_string(size / 2) + " tokens"), std::string::npos) << seen;
  fs::resize_file(file, size + 2);
  EXPECT_NE(complaint(temporary / "data", false), "");
  fs::remove(file);
  EXPECT_NE(complaint(temporary / "data", false).find("tokens-00000.bin"), std::string::npos);
}

TEST(TokenData, VerifyFindsAFlippedBit) {
  for (const std::string name : {"tokens-00001.bin", "documents-00000.bin"}) {
    const test::TemporaryDirectory temporary;
    write_data(temporary / "data", 512, 1000);
    {
      std::fstream file(temporary / "data" / name, std::ios::in | std::ios::out | std::ios::binary);
      file.seekp(9);
      file.put('\1');
    }
    const std::string seen = complaint(temporary / "data", true);
    EXPECT_NE(seen.find(name), std::string::npos) << seen;
    EXPECT_NE(seen.find("sha256"), std::string::npos) << seen;
  }
}

TEST(TokenData, CheckTokensFindsIdsBeyondTheVocabulary) {
  const test::TemporaryDirectory temporary;
  write_data(temporary / "data", 512, 1000);
  {
    std::fstream file(temporary / "data/tokens-00000.bin", std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(10);
    file.put('\0').put('\2');  // 512
  }
  try {
    TokenData(temporary / "data").check_tokens();
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("tokens-00000.bin: token 5 is 512, the vocabulary ends at 511"), std::string::npos)
        << error.what();
  }
}

TEST(TokenData, RefusesWithAReason) {
  const test::TemporaryDirectory temporary;
  EXPECT_NE(complaint(temporary.path(), false).find("data.json"), std::string::npos);
  write_data(temporary / "data", 512, 1000);
  const fs::path index = temporary / "data/data.json";
  const std::string good = read_file(index);
  const auto changed = [&](const std::string& from, const std::string& to) {
    std::string text = good;
    text.replace(text.find(from), from.size(), to);
    std::ofstream(index) << text;
    return complaint(temporary / "data", false);
  };
  EXPECT_NE(changed("spectra.data/1", "spectra.data/9").find("schema"), std::string::npos);
  EXPECT_NE(changed("\"token_bytes\": 2", "\"token_bytes\": 3").find("token_bytes"), std::string::npos);
  EXPECT_NE(changed("\"eos\": 3", "\"eos\": 512").find("eos"), std::string::npos);
  EXPECT_NE(changed("\"eos\": 3", "\"eos\": -1").find("eos"), std::string::npos);
  EXPECT_NE(changed("\"tokens-00000.bin\"", "\"../tokens-00000.bin\"").find("not a file name"), std::string::npos);
  EXPECT_NE(changed("\"split\"", "\"spilt\"").find("split is missing"), std::string::npos);
  EXPECT_NE(changed("\"files\"", "\"file\"").find("files"), std::string::npos);
  std::ofstream(index) << good;
  EXPECT_EQ(complaint(temporary / "data", true), "");
  try {
    TokenData(temporary / "data").split("test");
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(error.hint().find("train, valid"), std::string::npos) << error.hint();
  }
}

TEST(TokenData, NothingRemainsWithoutFinish) {
  const test::TemporaryDirectory temporary;
  {
    TokenDataWriter writer(temporary / "data", 512);
    writer.append("train", {1, 2, 3});
    EXPECT_EQ(writer.tokens("train"), 3u);
    EXPECT_EQ(writer.documents("train"), 1u);
    EXPECT_EQ(writer.tokens("valid"), 0u);
  }
  EXPECT_TRUE(fs::is_empty(temporary.path()));
}

}  // namespace
}  // namespace spectra::format
