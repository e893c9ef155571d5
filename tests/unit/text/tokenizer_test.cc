// SPDX-License-Identifier: Apache-2.0
// The tokenizer against published ids (GPT-NeoX, llama2.c) and against what the Hugging Face library does with small files.
#include "text/tokenizer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>

#include "base/error.h"
#include "test_data.h"
#include "text/decompress.h"
#include "text/llama2c.h"
#include "text/word_cache.h"

namespace spectra::text {
namespace {

using Ids = std::vector<uint32_t>;

const fs::path kTokenizers = test::data_directory() / "tokenizer";

const Tokenizer& neox() {
  static const Tokenizer tokenizer = Tokenizer::load(kTokenizers / "20B_tokenizer.json.gz");
  return tokenizer;
}

std::vector<std::string> split(const std::string& text, const std::string& separator) {
  std::vector<std::string> parts;
  size_t begin = 0;
  for (size_t at = text.find(separator); at != std::string::npos; at = text.find(separator, begin)) {
    parts.push_back(text.substr(begin, at - begin));
    begin = at + separator.size();
  }
  parts.push_back(text.substr(begin));
  return parts;
}

Ids read_u16(const fs::path& path) {
  const std::string bytes = read_decompressed(path);
  Ids ids(bytes.size() / 2);
  for (size_t i = 0; i < ids.size(); ++i) {
    uint16_t id;
    std::memcpy(&id, bytes.data() + 2 * i, 2);
    ids[i] = id;
  }
  return ids;
}

TEST(NeoX, AllVectors) {
  SPECTRA_NEEDS_DATA(kTokenizers);
  const std::vector<std::string> texts = split(read_file(kTokenizers / "neox-vectors.inp"), "\n__ggml_vocab_test__\n");
  // The last text is empty, and so is what follows the last newline here.
  const std::vector<std::string> lines = split(read_file(kTokenizers / "neox-vectors.out"), "\n");
  ASSERT_EQ(texts.size(), 47u);
  ASSERT_EQ(lines.size(), texts.size());
  for (size_t i = 0; i < texts.size(); ++i) {
    std::istringstream numbers(lines[i]);
    const Ids expected{std::istream_iterator<uint32_t>(numbers), {}};
    EXPECT_EQ(neox().encode(texts[i]), expected) << "vector " << i << ": " << texts[i];
    EXPECT_EQ(neox().decode(neox().encode(texts[i])), nfc(texts[i]));
  }
}

TEST(NeoX, UniversalDeclarationInAllLanguages) {
  SPECTRA_NEEDS_DATA(kTokenizers);
  std::istringstream lines(read_decompressed(kTokenizers / "neox-udhr-ids.jsonl.gz"));
  std::string line;
  int count = 0;
  for (; std::getline(lines, line); ++count) {
    const auto entry = nlohmann::json::parse(line);
    const auto text = entry.at("text").get<std::string>();
    EXPECT_EQ(neox().encode(text), entry.at("ids").get<Ids>()) << entry.at("name");
    EXPECT_EQ(neox().decode(neox().encode(text)), nfc(text)) << entry.at("name");
  }
  EXPECT_EQ(count, 158);
}

void expect_whole_file(const char* text_name, const char* ids_name, size_t count) {
  const std::string text = read_decompressed(test::data_directory() / "text" / text_name);
  const Ids expected = read_u16(kTokenizers / ids_name);
  ASSERT_EQ(expected.size(), count);
  const Ids ids = neox().encode(text);
  ASSERT_EQ(ids.size(), count);
  const auto difference = std::mismatch(ids.begin(), ids.end(), expected.begin());
  EXPECT_TRUE(difference.first == ids.end()) << "first difference at id " << difference.first - ids.begin();
  EXPECT_EQ(neox().decode(ids), nfc(text));
}

TEST(NeoX, WholeOfWikitext2) {
  SPECTRA_NEEDS_DATA(kTokenizers);
  expect_whole_file("wikitext2-test.raw.gz", "neox-wikitext2-test.ids.u16.gz", 287159);
}

TEST(NeoX, WholeOfC4Sample) {
  SPECTRA_NEEDS_DATA(kTokenizers);
  expect_whole_file("c4-sample.jsonl.gz", "neox-c4-sample.ids.u16.gz", 163265);
}

TEST(NeoX, SpacesSpecialTokensAndNormalization) {
  SPECTRA_NEEDS_DATA(kTokenizers);
  EXPECT_EQ(neox().encode("a  b"), (Ids{66, 50276, 67}));
  EXPECT_EQ(neox().encode(std::string(25, ' ') + "b"), (Ids{50254, 270}));
  EXPECT_EQ(neox().encode("e\xCC\x81"), Ids{860});
  EXPECT_EQ(neox().encode("\xC3\xA9"), Ids{860});
  EXPECT_EQ(neox().encode("x<|endoftext|>y"), (Ids{89, 0, 90}));
  EXPECT_EQ(neox().encode("Answer: yes"), (Ids{32869, 27, 4754}));
  const Ids plain = neox().encode("x<|endoftext|>y", false);
  EXPECT_EQ(std::count(plain.begin(), plain.end(), 0u), 0);
  EXPECT_EQ(neox().decode(plain), "x<|endoftext|>y");
  EXPECT_EQ(neox().decode({89, 0, 90, 60000}), "xy");
  EXPECT_EQ(neox().decode({89, 0, 90}, true), "x<|endoftext|>y");
  EXPECT_EQ(neox().vocab_size(), 50277);
  EXPECT_EQ(neox().eos(), 0);
  EXPECT_EQ(neox().bos(), 0);
  EXPECT_FALSE(neox().adds_bos());
  EXPECT_EQ(neox().with_bos({89, 90}), (std::vector<int32_t>{89, 90}));
  EXPECT_EQ(neox().with_bos({}), std::vector<int32_t>{0}) << "a model needs a token to begin with";
}

TEST(NeoX, InvalidUtf8IsReplacedAndCounted) {
  SPECTRA_NEEDS_DATA(kTokenizers);
  uint64_t replaced = 0;
  EXPECT_EQ(neox().encode("a\xFF\xC0 b", true, &replaced), neox().encode("a\xEF\xBF\xBD\xEF\xBF\xBD b"));
  EXPECT_EQ(replaced, 2u);
}

TEST(NeoX, PiecesAddUpToTheText) {
  SPECTRA_NEEDS_DATA(kTokenizers);
  const std::string text = "Gr\xC3\xBC\xC3\x9F  Gott \xF0\x9F\xA6\x99, \xE4\xBD\xA0\xE5\xA5\xBD";
  std::string streamed;
  int64_t previous = -1;
  for (const uint32_t id : neox().encode(text)) {
    streamed += neox().piece(id, previous);
    previous = id;
  }
  EXPECT_EQ(streamed, text);
}

TEST(NeoX, CacheChangesNothing) {
  SPECTRA_NEEDS_DATA(kTokenizers);
  WordCache cache;
  for (const char* text :
       {"the cat and the dog", "the dog, the cat", "a verylongwordthatgoesonandonandonandonandonandonandonandonandonandonandon"})
    EXPECT_EQ(neox().encode(text, true, nullptr, &cache), neox().encode(text));
}

TEST(Llama2c, IdsOfTheReferenceTexts) {
  const fs::path model = test::data_directory() / "model/stories260k";
  SPECTRA_NEEDS_DATA(model);
  const Tokenizer tokenizer = Tokenizer::parse(tokenizer_json_from_llama2c(model / "tok512.bin"), "tok512");
  EXPECT_EQ(tokenizer.vocab_size(), 512);
  EXPECT_EQ(tokenizer.bos(), 1);
  EXPECT_EQ(tokenizer.eos(), 2);
  EXPECT_TRUE(tokenizer.adds_bos());
  EXPECT_EQ(tokenizer.with_bos({89, 90}), (std::vector<int32_t>{1, 89, 90}));
  EXPECT_EQ(tokenizer.with_bos({}), std::vector<int32_t>{1});
  std::istringstream lines(read_file(model / "logprobs.jsonl"));
  const std::vector<std::string> texts = split(read_file(model / "logprobs-texts.txt"), "\n----\n");
  std::string line;
  size_t count = 0;
  for (; std::getline(lines, line); ++count) {
    Ids expected = nlohmann::json::parse(line).at("ids").get<Ids>();
    ASSERT_LT(count, texts.size());
    std::string text = texts[count];
    if (count + 1 == texts.size() && !text.empty() && text.back() == '\n') text.pop_back();
    Ids ids = tokenizer.encode(text);
    ids.insert(ids.begin(), 1);
    EXPECT_EQ(ids, expected) << text;
    EXPECT_EQ(tokenizer.decode(ids), text);
    std::string streamed;
    for (size_t i = 1; i < ids.size(); ++i) streamed += tokenizer.piece(ids[i], ids[i - 1]);
    EXPECT_EQ(streamed, text);
  }
  EXPECT_EQ(count, 5u);
  const std::string rare = "na\xC3\xAFve \xF0\x9F\xA6\x99 <0x41>";
  EXPECT_EQ(tokenizer.decode(tokenizer.encode(rare)), rare);
}

/// llama2.c's own loop, as a twin: look for the best adjacent pair again and again.
Ids merge_by_score(std::vector<std::string> symbols, const std::map<std::string, std::pair<float, uint32_t>>& pieces) {
  for (;;) {
    float best = -1e30f;
    size_t where = symbols.size();
    for (size_t i = 0; i + 1 < symbols.size(); ++i) {
      const auto entry = pieces.find(symbols[i] + symbols[i + 1]);
      if (entry == pieces.end() || entry->second.first <= best) continue;
      best = entry->second.first;
      where = i;
    }
    if (where == symbols.size()) break;
    symbols[where] += symbols[where + 1];
    symbols.erase(symbols.begin() + static_cast<std::ptrdiff_t>(where) + 1);
  }
  Ids ids;
  for (const std::string& symbol : symbols) ids.push_back(pieces.at(symbol).second);
  return ids;
}

TEST(Llama2c, MergesAsByScoreOnRealText) {
  const fs::path file = test::data_directory() / "model/stories260k/tok512.bin";
  SPECTRA_NEEDS_DATA(file);
  const Tokenizer tokenizer = Tokenizer::parse(tokenizer_json_from_llama2c(file), "tok512");
  const std::string bytes = read_file(file);
  std::map<std::string, std::pair<float, uint32_t>> pieces;
  uint32_t id = 0;
  for (size_t at = 4; at < bytes.size(); ++id) {
    float score;
    int32_t length;
    std::memcpy(&score, bytes.data() + at, 4);
    std::memcpy(&length, bytes.data() + at + 4, 4);
    pieces[bytes.substr(at + 8, static_cast<size_t>(length))] = {score, id};
    at += 8 + static_cast<size_t>(length);
  }
  const std::string text = read_decompressed(test::data_directory() / "text/wikitext2-test.raw.gz");
  int compared = 0;
  for (const std::string& line : split(text.substr(0, 60000), "\n")) {
    std::vector<std::string> symbols{" "};
    bool known = !line.empty();
    for (const char c : line) {
      symbols.emplace_back(1, c);
      known = known && pieces.count(symbols.back()) > 0;  // byte fallback is not part of the twin
    }
    if (!known) continue;
    EXPECT_EQ(tokenizer.encode(line), merge_by_score(symbols, pieces)) << line;
    ++compared;
  }
  EXPECT_GT(compared, 30);
}

TEST(Llama2c, DamagedFilesAreRefused) {
  const fs::path file = test::data_directory() / "model/stories260k/tok512.bin";
  SPECTRA_NEEDS_DATA(file);
  const test::TemporaryDirectory directory;
  const std::string bytes = read_file(file);
  for (const size_t size : {size_t{0}, size_t{3}, size_t{100}, bytes.size() - 1}) {
    write_file(directory / "cut.bin", bytes.substr(0, size));
    EXPECT_THROW(tokenizer_json_from_llama2c(directory / "cut.bin"), Error) << size;
  }
}

}  // namespace
}  // namespace spectra::text
