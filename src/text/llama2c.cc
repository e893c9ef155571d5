// SPDX-License-Identifier: Apache-2.0
#include "text/llama2c.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <nlohmann/json.hpp>
#include <vector>

#include "base/error.h"
#include "text/normalizer.h"
#include "text/unicode.h"

namespace spectra::text {
namespace {

constexpr size_t kFirstByte = 3, kFirstPiece = kFirstByte + 256;
constexpr const char* kMarker = "\xE2\x96\x81";  // U+2581 stands for a space, as in SentencePiece

struct Token {
  float score;
  std::string text;
};

std::vector<Token> read_tokens(const fs::path& path) {
  const std::string bytes = read_file(path, size_t{1} << 28);
  std::vector<Token> tokens;
  size_t at = 4;  // behind the length of the longest token
  while (at < bytes.size()) {
    Token token{};
    int32_t length = -1;
    if (bytes.size() - at >= 8) {
      std::memcpy(&token.score, &bytes[at], 4);
      std::memcpy(&length, &bytes[at + 4], 4);
    }
    if (length < 0 || bytes.size() - at - 8 < static_cast<size_t>(length))
      throw bad_input(fmt::format("{}: token {} at byte {} is cut short", path.string(), tokens.size(), at),
                      "this must be a tokenizer file of llama2.c, such as tok512.bin");
    token.text = bytes.substr(at + 8, static_cast<size_t>(length));
    if (!is_valid_utf8(token.text))
      throw bad_input(fmt::format("{}: token {} at byte {} is not valid UTF-8", path.string(), tokens.size(), at));
    tokens.push_back(std::move(token));
    at += 8 + static_cast<size_t>(length);
  }
  if (tokens.size() < kFirstPiece)
    throw bad_input(
        fmt::format("{} holds {} tokens; <unk>, <s>, </s> and 256 bytes alone are {}", path.string(), tokens.size(), kFirstPiece),
        "this must be a tokenizer file of llama2.c, such as tok512.bin");
  return tokens;
}

/// The spelling of token `id` in tokenizer.json. llama2.c's own files write <s> between newlines and spaces as they are.
std::string spelling(size_t id, const Token& token) {
  static const char* const kSpecial[] = {"<unk>", "<s>", "</s>"};
  if (id < kFirstByte) return kSpecial[id];
  if (id < kFirstPiece) return fmt::format("<0x{:02X}>", id - kFirstByte);
  return replace_all(token.text, " ", kMarker);
}

struct Merge {
  float score;
  std::string left, right;
};

/// Every way to put a token together from two others, best first. Where one token can be made in several ways they have the same
/// score and llama2.c takes the leftmost pair; the longer left part first gives that for repeated characters ("aa" + "a", not "a" +
/// "aa").
std::vector<Merge> all_merges(const std::vector<Token>& tokens, const std::map<std::string, size_t>& ids) {
  std::vector<Merge> merges;
  for (const auto& [text, id] : ids) {
    if (id < kFirstPiece) continue;
    for (size_t cut = text.size() - 1; cut > 0; --cut) {
      const std::string left = text.substr(0, cut), right = text.substr(cut);
      if (ids.count(left) > 0 && ids.count(right) > 0) merges.push_back({tokens[id].score, left, right});
    }
  }
  std::stable_sort(merges.begin(), merges.end(), [](const Merge& a, const Merge& b) { return a.score > b.score; });
  return merges;
}

nlohmann::ordered_json special_token(size_t id, const char* content) {
  return {{"id", id},        {"content", content},  {"single_word", false}, {"lstrip", false},
          {"rstrip", false}, {"normalized", false}, {"special", true}};
}

}  // namespace

std::string tokenizer_json_from_llama2c(const fs::path& path) {
  using Json = nlohmann::ordered_json;
  const std::vector<Token> tokens = read_tokens(path);
  std::map<std::string, size_t> ids;  // spelling of characters and pieces; the first of two equal ones counts
  Json vocabulary = Json::object();
  for (size_t id = 0; id < tokens.size(); ++id) {
    const std::string name = spelling(id, tokens[id]);
    if (name.empty() || !ids.emplace(name, id).second)
      throw bad_input(fmt::format("{}: token {} (\"{}\") is empty or occurs twice", path.string(), id, name));
    vocabulary[name] = id;
  }
  Json merges = Json::array();
  for (const Merge& merge : all_merges(tokens, ids)) merges.push_back(Json::array({merge.left, merge.right}));

  const Json bos = {{"SpecialToken", {{"id", "<s>"}, {"type_id", 0}}}};
  const auto sequence = [](const char* id) { return Json{{"Sequence", {{"id", id}, {"type_id", 0}}}}; };
  const Json json = {
      {"version", "1.0"},
      {"truncation", nullptr},
      {"padding", nullptr},
      {"added_tokens", Json::array({special_token(0, "<unk>"), special_token(1, "<s>"), special_token(2, "</s>")})},
      {"normalizer",
       {{"type", "Sequence"},
        {"normalizers", Json::array({{{"type", "Prepend"}, {"prepend", kMarker}},
                                     {{"type", "Replace"}, {"pattern", {{"String", " "}}}, {"content", kMarker}}})}}},
      {"pre_tokenizer", nullptr},
      {"post_processor",
       {{"type", "TemplateProcessing"},
        {"single", Json::array({bos, sequence("A")})},
        {"pair", Json::array({bos, sequence("A"), bos, sequence("B")})},
        {"special_tokens", {{"<s>", {{"id", "<s>"}, {"ids", Json::array({1})}, {"tokens", Json::array({"<s>"})}}}}}}},
      {"decoder",
       {{"type", "Sequence"},
        {"decoders", Json::array({{{"type", "Replace"}, {"pattern", {{"String", kMarker}}}, {"content", " "}},
                                  {{"type", "ByteFallback"}},
                                  {{"type", "Fuse"}},
                                  {{"type", "Strip"}, {"content", " "}, {"start", 1}, {"stop", 0}}})}}},
      {"model",
       {{"type", "BPE"},
        {"dropout", nullptr},
        {"unk_token", "<unk>"},
        {"continuing_subword_prefix", nullptr},
        {"end_of_word_suffix", nullptr},
        {"fuse_unk", true},
        {"byte_fallback", true},
        {"vocab", vocabulary},
        {"merges", merges}}}};
  return json.dump(1);
}

}  // namespace spectra::text
