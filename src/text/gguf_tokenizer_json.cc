// SPDX-License-Identifier: Apache-2.0
// tokenizer.ggml.* -> tokenizer.json
#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "text/gguf_tokenizer.h"
#include "text/scored_tokens.h"
#include "text/unicode.h"

namespace spectra::text {
namespace {

using Json = nlohmann::ordered_json;

std::vector<std::string> valid_texts(const format::GgufContents& contents, const std::string& key) {
  std::vector<std::string> texts;
  for (const std::string_view text : contents.texts(key)) {
    if (!is_valid_utf8(text))
      throw bad_input(fmt::format("{}: {}[{}] is not valid UTF-8", contents.where, key, texts.size()), "the file is damaged");
    texts.emplace_back(text);
  }
  return texts;
}

int32_t token_id(const format::GgufContents& contents, const std::string& key, size_t vocab) {
  const int64_t id = contents.integer(key, -1);
  if (id < -1 || id >= static_cast<int64_t>(vocab))
    throw bad_input(fmt::format("{}: {} is {}, the vocabulary has {} tokens", contents.where, key, id, vocab),
                    "the file is damaged");
  return static_cast<int32_t>(id);
}

bool is(const GgufTokenizer& tokenizer, size_t id, GgufTokenType type) { return tokenizer.types[id] == static_cast<int32_t>(type); }

Json added_token(size_t id, const std::string& content, bool special) {
  return {{"id", id},        {"content", content},     {"single_word", false}, {"lstrip", false},
          {"rstrip", false}, {"normalized", !special}, {"special", special}};
}

/// Added tokens below the last normal one are entries of the vocabulary too, as their ids are taken from there.
std::string byte_level_json(const GgufTokenizer& tokenizer) {
  size_t normal = 0;  // one past the last normal token
  for (size_t id = 0; id < tokenizer.tokens.size(); ++id)
    if (is(tokenizer, id, GgufTokenType::kNormal)) normal = id + 1;
  Json vocabulary = Json::object(), added = Json::array();
  for (size_t id = 0; id < tokenizer.tokens.size(); ++id) {
    if (is(tokenizer, id, GgufTokenType::kUnused)) continue;
    const bool control = is(tokenizer, id, GgufTokenType::kControl) || is(tokenizer, id, GgufTokenType::kUnknown);
    if (id < normal) vocabulary[tokenizer.tokens[id]] = id;
    if (!is(tokenizer, id, GgufTokenType::kNormal)) added.push_back(added_token(id, tokenizer.tokens[id], control));
  }
  const Json byte_level = {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}, {"use_regex", true}};
  const Json json = {{"version", "1.0"},
                     {"truncation", nullptr},
                     {"padding", nullptr},
                     {"added_tokens", added},
                     {"normalizer", tokenizer.pre == "gpt-2" ? Json() : Json{{"type", "NFC"}}},
                     {"pre_tokenizer", byte_level},
                     {"post_processor", byte_level},
                     {"decoder", byte_level},
                     {"model",
                      {{"type", "BPE"},
                       {"dropout", nullptr},
                       {"unk_token", nullptr},
                       {"continuing_subword_prefix", nullptr},
                       {"end_of_word_suffix", nullptr},
                       {"fuse_unk", false},
                       {"byte_fallback", false},
                       {"vocab", vocabulary},
                       {"merges", tokenizer.merges}}}};
  return json.dump(1);
}

std::string scored_json(const GgufTokenizer& tokenizer, const std::string& where) {
  std::vector<ScoredToken> tokens;
  size_t unknown = 0;
  for (size_t id = 0; id < tokenizer.tokens.size(); ++id) {
    if (is(tokenizer, id, GgufTokenType::kUnused)) {
      if (std::all_of(tokenizer.types.begin() + static_cast<std::ptrdiff_t>(id), tokenizer.types.end(),
                      [](int32_t type) { return type == static_cast<int32_t>(GgufTokenType::kUnused); }))
        break;
      throw bad_input(fmt::format("{}: token {} is unused, but later ones are not", where, id),
                      "spectra does not read such vocabularies");
    }
    if (is(tokenizer, id, GgufTokenType::kUnknown)) unknown = id;
    const bool special = is(tokenizer, id, GgufTokenType::kControl) || is(tokenizer, id, GgufTokenType::kUnknown);
    tokens.push_back({tokenizer.tokens[id], tokenizer.scores[id], is(tokenizer, id, GgufTokenType::kNormal), special});
    if (is(tokenizer, id, GgufTokenType::kUserDefined))
      throw bad_input(fmt::format("{}: token {} (\"{}\") is user-defined", where, id, tokenizer.tokens[id]),
                      "spectra reads score-merged vocabularies without such tokens");
  }
  if (tokenizer.bos < 0 || static_cast<size_t>(tokenizer.bos) >= tokens.size()) throw bad_input(where + ": names no BOS token");
  return scored_tokenizer_json(tokens, unknown, static_cast<size_t>(tokenizer.bos), tokenizer.add_space_prefix, where);
}

}  // namespace

GgufTokenizer read_gguf_tokenizer(const format::GgufContents& contents) {
  const std::string prefix = "tokenizer.ggml.";
  GgufTokenizer result;
  result.model = contents.text(prefix + "model");
  if (result.model != "gpt2" && result.model != "llama")
    throw bad_input(fmt::format("{}: {}model is {}", contents.where, prefix, result.model),
                    "spectra reads the kinds gpt2 and llama; give another tokenizer with --tokenizer");
  result.tokens = valid_texts(contents, prefix + "tokens");
  result.types.assign(result.tokens.size(), static_cast<int32_t>(GgufTokenType::kNormal));
  if (contents.find(prefix + "token_type") != nullptr) {
    const std::vector<int64_t> types = contents.integers(prefix + "token_type");
    if (types.size() != result.tokens.size())
      throw bad_input(fmt::format("{}: {} tokens, but {} types", contents.where, result.tokens.size(), types.size()));
    for (size_t i = 0; i < types.size(); ++i) result.types[i] = static_cast<int32_t>(types[i]);
  }
  if (result.model == "gpt2") {
    result.pre = contents.text(prefix + "pre", "gpt-2");
    if (result.pre != "olmo" && result.pre != "gpt-2" && result.pre != "mpt")
      throw bad_input(fmt::format("{}: {}pre is {}", contents.where, prefix, result.pre),
                      "spectra reads olmo, mpt and gpt-2; give another tokenizer with --tokenizer");
    result.merges = valid_texts(contents, prefix + "merges");
  } else {
    result.scores = contents.floats(prefix + "scores");
    if (result.scores.size() != result.tokens.size())
      throw bad_input(fmt::format("{}: {} tokens, but {} scores", contents.where, result.tokens.size(), result.scores.size()));
    result.add_space_prefix = contents.flag(prefix + "add_space_prefix", true);
  }
  // llama.cpp's own defaults where a file does not name them.
  result.bos = token_id(contents, prefix + "bos_token_id", result.tokens.size());
  result.eos = token_id(contents, prefix + "eos_token_id", result.tokens.size());
  if (result.model == "llama" && result.bos < 0) result.bos = 1;
  if (result.model == "llama" && result.eos < 0) result.eos = 2;
  result.add_bos = contents.flag(prefix + "add_bos_token", result.model == "llama");
  return result;
}

std::string tokenizer_json_from_gguf(const GgufTokenizer& tokenizer, const std::string& where) {
  return tokenizer.model == "gpt2" ? byte_level_json(tokenizer) : scored_json(tokenizer, where);
}

}  // namespace spectra::text
