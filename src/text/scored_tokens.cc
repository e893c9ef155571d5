// SPDX-License-Identifier: Apache-2.0
#include "text/scored_tokens.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "base/error.h"

namespace spectra::text {
namespace {

using Json = nlohmann::ordered_json;

struct Merge {
  float score;
  std::string left, right;
};

/// Every way to put a token together from two others, best first. Where one token can be made in several ways they have the same
/// score and llama2.c takes the leftmost pair; the longer left part first gives that for repeated characters ("aa" + "a", not "a" +
/// "aa").
std::vector<Merge> all_merges(const std::vector<ScoredToken>& tokens, const std::map<std::string, size_t>& ids) {
  std::vector<Merge> merges;
  for (const auto& [text, id] : ids) {
    if (!tokens[id].mergeable) continue;
    for (size_t cut = text.size() - 1; cut > 0; --cut) {
      const std::string left = text.substr(0, cut), right = text.substr(cut);
      if (ids.count(left) > 0 && ids.count(right) > 0) merges.push_back({tokens[id].score, left, right});
    }
  }
  std::stable_sort(merges.begin(), merges.end(), [](const Merge& a, const Merge& b) { return a.score > b.score; });
  return merges;
}

Json special_token(size_t id, const std::string& content) {
  return {{"id", id},        {"content", content},  {"single_word", false}, {"lstrip", false},
          {"rstrip", false}, {"normalized", false}, {"special", true}};
}

Json normalizer(bool add_prefix) {
  Json steps = Json::array();
  if (add_prefix) steps.push_back({{"type", "Prepend"}, {"prepend", kSpaceMarker}});
  steps.push_back({{"type", "Replace"}, {"pattern", {{"String", " "}}}, {"content", kSpaceMarker}});
  return {{"type", "Sequence"}, {"normalizers", steps}};
}

Json decoder(bool add_prefix) {
  Json steps = Json::array({{{"type", "Replace"}, {"pattern", {{"String", kSpaceMarker}}}, {"content", " "}},
                            {{"type", "ByteFallback"}},
                            {{"type", "Fuse"}}});
  if (add_prefix) steps.push_back({{"type", "Strip"}, {"content", " "}, {"start", 1}, {"stop", 0}});
  return {{"type", "Sequence"}, {"decoders", steps}};
}

Json begin_with(const std::string& token, size_t id) {
  const Json begin = {{"SpecialToken", {{"id", token}, {"type_id", 0}}}};
  const auto sequence = [](const char* name) { return Json{{"Sequence", {{"id", name}, {"type_id", 0}}}}; };
  return {{"type", "TemplateProcessing"},
          {"single", Json::array({begin, sequence("A")})},
          {"pair", Json::array({begin, sequence("A"), begin, sequence("B")})},
          {"special_tokens", {{token, {{"id", token}, {"ids", Json::array({id})}, {"tokens", Json::array({token})}}}}}};
}

}  // namespace

std::string scored_tokenizer_json(const std::vector<ScoredToken>& tokens, size_t unknown, size_t bos, bool add_prefix,
                                  const std::string& where) {
  std::map<std::string, size_t> ids;
  Json vocabulary = Json::object(), added = Json::array();
  for (size_t id = 0; id < tokens.size(); ++id) {
    const std::string& name = tokens[id].spelling;
    if (name.empty() || !ids.emplace(name, id).second)
      throw bad_input(fmt::format("{}: token {} (\"{}\") is empty or occurs twice", where, id, name));
    vocabulary[name] = id;
    if (tokens[id].special) added.push_back(special_token(id, name));
  }
  Json merges = Json::array();
  for (const Merge& merge : all_merges(tokens, ids)) merges.push_back(Json::array({merge.left, merge.right}));
  const Json json = {{"version", "1.0"},
                     {"truncation", nullptr},
                     {"padding", nullptr},
                     {"added_tokens", added},
                     {"normalizer", normalizer(add_prefix)},
                     {"pre_tokenizer", nullptr},
                     {"post_processor", begin_with(tokens.at(bos).spelling, bos)},
                     {"decoder", decoder(add_prefix)},
                     {"model",
                      {{"type", "BPE"},
                       {"dropout", nullptr},
                       {"unk_token", tokens.at(unknown).spelling},
                       {"continuing_subword_prefix", nullptr},
                       {"end_of_word_suffix", nullptr},
                       {"fuse_unk", true},
                       {"byte_fallback", true},
                       {"vocab", vocabulary},
                       {"merges", merges}}}};
  return json.dump(1);
}

}  // namespace spectra::text
