// SPDX-License-Identifier: Apache-2.0
#include "server/logprobs.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <utility>

namespace spectra::server {
namespace {

constexpr double kNever = -9999;

double written(float logprob) { return std::isfinite(logprob) ? static_cast<double>(logprob) : kNever; }

Json chat_entry(const text::Tokenizer& tokenizer, int32_t id, float logprob) {
  const std::string bytes = token_bytes(tokenizer, id);
  Json list = Json::array();
  for (const char c : bytes) list.push_back(static_cast<unsigned char>(c));
  return {{"token", text::sanitize_utf8(bytes)}, {"logprob", written(logprob)}, {"bytes", list}};
}

}  // namespace

int64_t code_points(const std::string& text) {
  return std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; });
}

std::string token_bytes(const text::Tokenizer& tokenizer, int32_t id) {
  const auto token = static_cast<uint32_t>(id);
  return tokenizer.is_special(token) ? tokenizer.decode({token}, true) : tokenizer.piece(token, 0);
}

std::string token_text(const text::Tokenizer& tokenizer, int32_t id) { return text::sanitize_utf8(token_bytes(tokenizer, id)); }

Json legacy_logprobs(const text::Tokenizer& tokenizer, const ScoredText& text, bool ids_as_tokens, int64_t& offset) {
  Json tokens = Json::array(), logprobs = Json::array(), tops = Json::array(), offsets = Json::array();
  const auto name = [&](int32_t id) { return ids_as_tokens ? fmt::format("token_id:{}", id) : token_text(tokenizer, id); };
  const auto add = [&](int32_t id, Json logprob, Json top) {
    tokens.push_back(name(id));
    logprobs.push_back(std::move(logprob));
    tops.push_back(std::move(top));
    offsets.push_back(std::max<int64_t>(offset, 0));
    offset += code_points(token_bytes(tokenizer, id));
  };
  if (text.first >= 0) add(text.first, nullptr, nullptr);
  for (const auto& list : {text.prompt, text.drawn})
    for (const infer::Token& token : list) {
      Json top = Json::object();
      for (const infer::TopToken& t : token.top)
        top.emplace(name(t.id), written(t.logprob));  // the first of two tokens with one name is the more probable
      const double own = written(token.logprob);
      top[name(token.id)] = std::max(own, top.value(name(token.id), kNever));
      add(token.id, own, std::move(top));
    }
  return {{"tokens", tokens}, {"token_logprobs", logprobs}, {"top_logprobs", tops}, {"text_offset", offsets}};
}

Json chat_logprobs(const text::Tokenizer& tokenizer, std::span<const infer::Token> tokens) {
  Json content = Json::array();
  for (const infer::Token& token : tokens) {
    Json entry = chat_entry(tokenizer, token.id, token.logprob);
    Json top = Json::array();
    for (const infer::TopToken& t : token.top) top.push_back(chat_entry(tokenizer, t.id, t.logprob));
    entry["top_logprobs"] = top;
    content.push_back(entry);
  }
  return {{"content", content}, {"refusal", nullptr}};
}

}  // namespace spectra::server
