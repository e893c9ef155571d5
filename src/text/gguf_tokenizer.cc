// SPDX-License-Identifier: Apache-2.0
// tokenizer.json -> tokenizer.ggml.*
#include "text/gguf_tokenizer.h"

#include <nlohmann/json.hpp>
#include <unordered_map>
#include <unordered_set>

#include "base/error.h"
#include "base/log.h"
#include "format/strict_json.h"
#include "text/json_field.h"

namespace spectra::text {
namespace {

constexpr const char* kNotSaid = "GGUF has no way to say what this tokenizer does, so llama.cpp would give other tokens";

int32_t type_of(GgufTokenType type) { return static_cast<int32_t>(type); }

/// The steps of a normalizer or pre-tokenizer, members of a Sequence one by one.
std::vector<JsonField> steps(const JsonField& root, const char* key, const char* list) {
  if (!root.has(key)) return {};
  if (root[key]["type"].text() == "Sequence") return root[key][list].items();
  return {root[key]};
}

/// "olmo" or "gpt-2". Throws Error for anything but GPT-2's pattern.
std::string pre_tokenizer_name(const JsonField& root) {
  const std::vector<JsonField> splits = steps(root, "pre_tokenizer", "pretokenizers");
  if (splits.size() != 1 || splits[0]["type"].text() != "ByteLevel" || splits[0].flag("add_prefix_space", true) ||
      !splits[0].flag("use_regex", true))
    throw bad_input(root.path() + ": its pre-tokenizer is not GPT-2's pattern alone", kNotSaid);
  bool nfc = false;
  for (const JsonField& step : steps(root, "normalizer", "normalizers")) {
    if (step["type"].text() != "NFC") throw bad_input(fmt::format("{}: normalizer {}", root.path(), step["type"].text()), kNotSaid);
    nfc = true;
  }
  return nfc ? "olmo" : "gpt-2";
}

std::pair<std::string, std::string> pair_of(const JsonField& merge) {
  if (merge.is_array()) return {merge.items().at(0).text(), merge.items().at(1).text()};
  const std::string text = merge.text();
  const size_t space = text.find(' ', 1);
  return {text.substr(0, space), text.substr(space + 1)};
}

void add_merges(const JsonField& model, GgufTokenizer& result) {
  for (const JsonField& merge : model["merges"].items()) {
    const auto pair = pair_of(merge);
    if (pair.first.find(' ', 1) != std::string::npos) throw bad_input(merge.path() + ": a token with a space in it", kNotSaid);
    result.merges.push_back(pair.first + " " + pair.second);
  }
}

/// The score of a token is minus the rank of the first merge that makes it; those that none makes come last.
void add_scores(const JsonField& model, const std::unordered_map<std::string, size_t>& ids, GgufTokenizer& result) {
  const std::vector<JsonField> merges = model["merges"].items();
  const float none = 1.0f;  // no rank is positive
  result.scores.assign(result.tokens.size(), none);
  size_t previous = result.tokens.size();
  for (size_t rank = 0; rank < merges.size(); ++rank) {
    const auto pair = pair_of(merges[rank]);
    const auto made = ids.find(pair.first + pair.second);
    if (made == ids.end()) continue;  // Tokenizer has refused such a file
    float& score = result.scores[made->second];
    if (score != none && made->second != previous)
      throw bad_input(fmt::format("{}: merges that make \"{}\" do not follow each other", merges[rank].path(), made->first),
                      kNotSaid);
    if (score == none) score = -static_cast<float>(rank);
    previous = made->second;
  }
  for (float& score : result.scores)
    if (score == none) score = -static_cast<float>(merges.size());
}

/// Fallback bytes, and what the model has for unknown characters.
void set_llama_types(const JsonField& model, const std::unordered_map<std::string, size_t>& ids, GgufTokenizer& result) {
  for (int byte = 0; byte < 256; ++byte)
    if (const auto found = ids.find(fmt::format("<0x{:02X}>", byte)); found != ids.end())
      result.types[found->second] = type_of(GgufTokenType::kByte);
  if (!model.has("unk_token")) return;
  if (const auto found = ids.find(model["unk_token"].text()); found != ids.end())
    result.types[found->second] = type_of(GgufTokenType::kUnknown);
}

bool prepends_space(const JsonField& root) {
  for (const JsonField& step : steps(root, "normalizer", "normalizers"))
    if (step["type"].text() == "Prepend") return true;
  return false;
}

void add_vocabulary(const JsonField& root, std::unordered_map<std::string, size_t>& ids, GgufTokenizer& result) {
  const JsonField vocabulary = root["model"]["vocab"];
  for (const auto& [spelling, id] : vocabulary.json().items()) {
    ids[spelling] = id.get<size_t>();
    result.tokens.at(id.get<size_t>()) = spelling;
    result.types.at(id.get<size_t>()) = type_of(GgufTokenType::kNormal);
  }
}

void add_added_tokens(const JsonField& root, GgufTokenizer& result) {
  if (!root.has("added_tokens")) return;
  for (const JsonField& token : root["added_tokens"].items()) {
    const auto id = static_cast<size_t>(token["id"].integer());
    result.tokens.at(id) = token["content"].text();
    const bool special = token.flag("special", false);
    if (result.types[id] != type_of(GgufTokenType::kUnknown))
      result.types[id] = type_of(special ? GgufTokenType::kControl : GgufTokenType::kUserDefined);
    for (const char* flag : {"single_word", "lstrip", "rstrip"})
      if (token.flag(flag, false)) log_warning("token \"{}\": {} cannot be said in a GGUF file", result.tokens[id], flag);
  }
}

void fill_padding(GgufTokenizer& result) {
  std::unordered_set<std::string> names;
  for (size_t id = 0; id < result.tokens.size(); ++id)
    if (result.types[id] != type_of(GgufTokenType::kUnused)) names.insert(result.tokens[id]);
  for (size_t id = 0; id < result.tokens.size(); ++id) {
    if (result.types[id] != type_of(GgufTokenType::kUnused)) continue;
    std::string name = fmt::format("[PAD{}]", id);
    while (!names.insert(name).second) name += "_";
    result.tokens[id] = name;
  }
}

}  // namespace

GgufTokenizer gguf_tokenizer(const Tokenizer& tokenizer, int64_t vocab) {
  if (tokenizer.vocab_size() > vocab)
    throw bad_input(fmt::format("the tokenizer has {} entries, the model's embedding {} rows", tokenizer.vocab_size(), vocab),
                    "give the tokenizer that the model was trained with");
  const nlohmann::json document = format::parse_json(tokenizer.json(), "tokenizer.json");
  const JsonField root(document, "tokenizer.json"), model = root["model"];
  GgufTokenizer result;
  result.tokens.resize(static_cast<size_t>(vocab));
  result.types.assign(static_cast<size_t>(vocab), type_of(GgufTokenType::kUnused));
  result.bos = tokenizer.bos();
  result.eos = tokenizer.eos();
  result.add_bos = tokenizer.adds_bos();
  std::unordered_map<std::string, size_t> ids;
  add_vocabulary(root, ids, result);
  if (model.flag("byte_fallback", false)) {
    result.model = "llama";
    if (!steps(root, "pre_tokenizer", "pretokenizers").empty())
      throw bad_input("tokenizer.json: a pre-tokenizer with byte fallback", kNotSaid);
    result.add_space_prefix = prepends_space(root);
    set_llama_types(model, ids, result);
    add_scores(model, ids, result);
  } else {
    result.model = "gpt2";
    result.pre = pre_tokenizer_name(root);
    add_merges(model, result);
  }
  add_added_tokens(root, result);
  fill_padding(result);
  return result;
}

void put_tokenizer(const GgufTokenizer& tokenizer, format::GgufMetadata& metadata) {
  const std::string prefix = "tokenizer.ggml.";
  metadata.put(prefix + "model", tokenizer.model);
  if (!tokenizer.pre.empty()) metadata.put(prefix + "pre", tokenizer.pre);
  metadata.put(prefix + "tokens", tokenizer.tokens);
  if (!tokenizer.scores.empty()) metadata.put(prefix + "scores", tokenizer.scores);
  metadata.put(prefix + "token_type", tokenizer.types);
  if (tokenizer.model == "gpt2") metadata.put(prefix + "merges", tokenizer.merges);
  if (tokenizer.bos >= 0) metadata.put(prefix + "bos_token_id", static_cast<uint32_t>(tokenizer.bos));
  if (tokenizer.eos >= 0) metadata.put(prefix + "eos_token_id", static_cast<uint32_t>(tokenizer.eos));
  for (size_t id = 0; id < tokenizer.types.size(); ++id)
    if (tokenizer.types[id] == type_of(GgufTokenType::kUnknown))
      metadata.put(prefix + "unknown_token_id", static_cast<uint32_t>(id));
  metadata.put(prefix + "add_bos_token", tokenizer.add_bos);
  if (tokenizer.model == "llama") metadata.put(prefix + "add_space_prefix", tokenizer.add_space_prefix);
}

}  // namespace spectra::text
