// SPDX-License-Identifier: Apache-2.0
// The model, added tokens and special ids of tokenizer.json.
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "format/strict_json.h"
#include "text/byte_level.h"
#include "text/tokenizer_parts.h"

namespace spectra::text {
namespace {

constexpr int64_t kMostIds = int64_t{1} << 20;            // four times the largest vocabularies in use
using Names = std::unordered_map<std::string, uint32_t>;  // spelling in the file -> id

bool is_id(const nlohmann::json& value) {
  return value.is_number_integer() && value.get<int64_t>() >= 0 && value.get<int64_t>() < kMostIds;
}

uint32_t read_id(const JsonField& field) {
  if (!is_id(field.json())) field.fail(fmt::format("an id from 0 to {}", kMostIds - 1));
  return field.json().get<uint32_t>();
}

Names read_vocabulary(const JsonField& model) {
  const JsonField vocabulary = model["vocab"];
  if (!vocabulary.json().is_object() || vocabulary.json().empty()) vocabulary.fail("an object of token: id");
  Names names;
  names.reserve(vocabulary.json().size());
  std::vector<bool> taken;
  for (const auto& [spelling, value] : vocabulary.json().items()) {
    const uint32_t id = is_id(value) ? value.get<uint32_t>()  // spelling out 50,000 paths would take longer than all the rest
                                     : read_id({value, fmt::format("{}[\"{}\"]", vocabulary.path(), spelling)});
    if (id >= taken.size()) taken.resize(id + size_t{1});
    if (taken[id])
      throw bad_input(fmt::format("{}: two tokens have the id {}, one of them \"{}\"", vocabulary.path(), id, spelling));
    taken[id] = true;
    names.emplace(spelling, id);
  }
  return names;
}

/// "left right" or ["left", "right"].
std::pair<std::string, std::string> read_pair(const JsonField& list, size_t i) {
  const nlohmann::json& merge = list.json()[i];
  if (merge.is_array()) {
    const std::vector<JsonField> both = list.item(i).items();
    if (both.size() != 2) list.item(i).fail("two strings");
    return {both[0].text(), both[1].text()};
  }
  if (!merge.is_string()) list.item(i).fail("a string");
  const auto& text = merge.get_ref<const std::string&>();
  const size_t space = text.find(' ', 1);
  if (space == std::string::npos) list.item(i).fail("two tokens with a space between them");
  return {text.substr(0, space), text.substr(space + 1)};
}

MergeTable read_merges(const JsonField& model, const Names& names) {
  const JsonField list = model["merges"];
  const auto id_of = [&](size_t i, const std::string& spelling) {
    const auto entry = names.find(spelling);
    if (entry == names.end()) throw bad_input(fmt::format("{}: \"{}\" is not in the vocabulary", list.item(i).path(), spelling));
    return entry->second;
  };
  if (!list.is_array()) list.fail("a list");
  MergeTable table(list.json().size());
  for (size_t i = 0; i < list.json().size(); ++i) {
    const auto pair = read_pair(list, i);
    const uint32_t result = id_of(i, pair.first + pair.second);
    table.set(id_of(i, pair.first), id_of(i, pair.second), {static_cast<uint32_t>(i), result});
  }
  return table;
}

void refuse_unsupported(const JsonField& model) {
  const std::string type = model.has("type") ? model["type"].text() : "BPE";
  if (type != "BPE") throw bad_input(fmt::format("{}.type: {} is not supported", model.path(), type), "only BPE tokenizers are");
  for (const char* key : {"continuing_subword_prefix", "end_of_word_suffix"})
    if (model.has(key) && !model[key].text().empty()) throw bad_input(fmt::format("{}.{} is not supported", model.path(), key));
  if (model.has("dropout") && model["dropout"].json() != 0)
    throw bad_input(fmt::format("{}.dropout: random merges are not supported", model.path()), "set it to null");
}

std::string hexadecimal_byte(unsigned byte) { return fmt::format("<0x{:02X}>", byte); }

Bpe read_bpe(const JsonField& model, const Names& names, bool byte_level) {
  Bpe bpe;
  bpe.byte_level = byte_level;
  bpe.whole_words = model.flag("ignore_merges", false);
  bpe.byte_fallback = model.flag("byte_fallback", false);
  bpe.fuse_unknown = model.flag("fuse_unk", false);
  if (model.has("unk_token")) {
    const auto entry = names.find(model["unk_token"].text());
    if (entry == names.end()) model["unk_token"].fail("a token of the vocabulary");
    bpe.unknown = entry->second;
  }
  for (unsigned byte = 0; byte < 256; ++byte) {
    const std::string symbol(1, static_cast<char>(byte));
    const auto entry = names.find(byte_level ? to_symbols(symbol) : hexadecimal_byte(byte));
    bpe.byte_ids[byte] = entry == names.end() ? -1 : static_cast<int64_t>(entry->second);
  }
  if (!byte_level) bpe.vocabulary = names;
  for (const auto& [spelling, id] : names) {
    std::string bytes;
    if (byte_level && bpe.whole_words && from_symbols(spelling, bytes)) bpe.vocabulary.emplace(bytes, id);
  }
  bpe.merges = read_merges(model, names);
  return bpe;
}

/// Fills parts.bytes from the spellings in the vocabulary.
void set_token_bytes(const Names& names, const Decoder& decoder, bool byte_level, TokenizerParts& parts) {
  Names bytes_of;  // of the byte fallback tokens alone
  for (unsigned byte = 0; byte < 256 && decoder.byte_fallback; ++byte) bytes_of.emplace(hexadecimal_byte(byte), byte);
  std::string storage;
  for (const auto& [spelling, id] : names) {
    if (id >= parts.bytes.size()) parts.bytes.resize(id + size_t{1});
    std::string bytes;
    if (!byte_level || !from_symbols(spelling, bytes)) bytes = spelling;
    const auto single = bytes_of.find(spelling);
    parts.bytes[id] = single != bytes_of.end() ? std::string(1, static_cast<char>(single->second))
                                               : std::string(decoder.replacements.apply(bytes, storage));
  }
}

void read_added_tokens(const JsonField& root, Names& names, TokenizerParts& parts) {
  parts.special.resize(parts.bytes.size());
  if (!root.has("added_tokens")) return;
  for (const JsonField& field : root["added_tokens"].items()) {
    AddedToken token;
    token.id = read_id(field["id"]);
    token.content = field["content"].text();
    token.special = field.flag("special", false);
    token.single_word = field.flag("single_word", false);
    token.lstrip = field.flag("lstrip", false);
    token.rstrip = field.flag("rstrip", false);
    const auto known = names.emplace(token.content, token.id).first;
    if (known->second != token.id)
      throw bad_input(fmt::format("{}: \"{}\" has id {} here and {} before", field.path(), token.content, token.id, known->second));
    if (token.id >= parts.bytes.size()) parts.bytes.resize(token.id + size_t{1});
    parts.special.resize(parts.bytes.size());
    parts.bytes[token.id] = token.content;
    parts.special[token.id] = token.special;
    if (field.flag("normalized", !token.special)) {
      std::string storage;
      token.content = std::string(parts.normalizer.apply(token.content, storage));
      parts.normalized_tokens.add(token);
    } else {
      parts.raw_tokens.add(token);
    }
  }
}

int32_t id_or_none(const Names& names, const std::string& spelling) {
  const auto entry = names.find(spelling);
  return entry == names.end() ? -1 : static_cast<int32_t>(entry->second);
}

/// The special token that the post-processor puts before a text; -1 if none.
int32_t template_prefix(const JsonField& post, const Names& names) {
  const std::string type = post["type"].text();
  if (type == "Sequence") {
    for (const JsonField& member : post["processors"].items()) {
      const int32_t found = template_prefix(member, names);
      if (found >= 0) return found;
    }
  }
  if (type != "TemplateProcessing") return -1;
  const std::vector<JsonField> single = post["single"].items();
  if (single.empty() || !single[0].has("SpecialToken")) return -1;
  return id_or_none(names, single[0]["SpecialToken"]["id"].text());
}

/// A token named in tokenizer_config.json, as a string or as an object with `content`.
int32_t configured(const JsonField& config, const char* key, const Names& names) {
  if (!config.has(key)) return -1;
  const JsonField token = config[key];
  return id_or_none(names, token.is_string() ? token.text() : token["content"].text());
}

void find_special_ids(const JsonField& root, const JsonField& config, const Names& names, TokenizerParts& parts) {
  const int32_t prefix = root.has("post_processor") ? template_prefix(root["post_processor"], names) : -1;
  parts.bos = configured(config, "bos_token", names);
  parts.eos = configured(config, "eos_token", names);
  if (parts.bos < 0) parts.bos = prefix;
  // Names in use, for files that come without a tokenizer_config.json.
  for (const char* name : {"<s>", "<|begin_of_text|>", "<bos>"})
    if (parts.bos < 0) parts.bos = id_or_none(names, name);
  for (const char* name : {"<|endoftext|>", "</s>", "<|end_of_text|>", "<eos>", "<|im_end|>"})
    if (parts.eos < 0) parts.eos = id_or_none(names, name);
  if (parts.bos < 0) parts.bos = parts.eos;
  parts.adds_bos = config.flag("add_bos_token", prefix >= 0) && parts.bos >= 0;
}

}  // namespace

TokenizerParts read_tokenizer_json(const std::string& json, const std::string& config, const std::string& where) {
  const nlohmann::json document = format::parse_json(json, where);
  const nlohmann::json config_document =
      format::parse_json(config.empty() ? "{}" : config, "tokenizer_config.json beside " + where);
  const JsonField root(document, where);
  const JsonField model = root["model"];
  refuse_unsupported(model);

  TokenizerParts parts;
  read_normalizer(root, parts.normalizer);
  const bool byte_level = read_pre_tokenizer(root, parts.pre_tokenizer);
  const Decoder decoder = read_decoder(root, byte_level);
  parts.strip_spaces = decoder.strip_spaces;
  Names names = read_vocabulary(model);
  parts.bpe = read_bpe(model, names, byte_level);
  set_token_bytes(names, decoder, byte_level, parts);
  read_added_tokens(root, names, parts);
  find_special_ids(root, JsonField(config_document, "tokenizer_config.json"), names, parts);
  return parts;
}

}  // namespace spectra::text
