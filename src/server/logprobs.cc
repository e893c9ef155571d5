// SPDX-License-Identifier: Apache-2.0
#include "server/logprobs.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace spectra::server {
namespace {

constexpr double kNever = -9999;

double written(float logprob) { return std::isfinite(logprob) ? static_cast<double>(logprob) : kNever; }

int64_t code_points(const std::string& bytes) {
  return std::count_if(bytes.begin(), bytes.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; });
}

Json chat_entry(const text::Tokenizer& tokenizer, int32_t id, float logprob) {
  const std::string bytes = token_bytes(tokenizer, id);
  Json list = Json::array();
  for (const char c : bytes) list.push_back(static_cast<unsigned char>(c));
  return {{"token", text::sanitize_utf8(bytes)}, {"logprob", written(logprob)}, {"bytes", list}};
}

}  // namespace

std::string token_bytes(const text::Tokenizer& tokenizer, int32_t id) {
  const auto token = static_cast<uint32_t>(id);
  return tokenizer.is_special(token) ? tokenizer.decode({token}, true) : tokenizer.piece(token, 0);
}

std::string token_text(const text::Tokenizer& tokenizer, int32_t id) { return text::sanitize_utf8(token_bytes(tokenizer, id)); }

std::string LegacyLogprobs::name(int32_t id) const {
  return ids_as_tokens_ ? fmt::format("token_id:{}", id) : token_text(tokenizer_, id);
}

void LegacyLogprobs::add_name(int32_t id) {
  tokens_.push_back(name(id));
  offsets_.push_back(offset_);
  offset_ += code_points(token_bytes(tokenizer_, id));
}

void LegacyLogprobs::add_first(int32_t id) {
  add_name(id);
  logprobs_.push_back(nullptr);
  top_.push_back(nullptr);
}

void LegacyLogprobs::add(const infer::Token& token) {
  add_name(token.id);
  logprobs_.push_back(written(token.logprob));
  Json top = Json::object();
  for (const infer::TopToken& t : token.top) {
    const auto [place, added] = top.emplace(name(t.id), written(t.logprob));  // of two with the same text the first is larger
    (void)place, (void)added;
  }
  top[name(token.id)] = std::max(written(token.logprob), top.value(name(token.id), kNever));
  top_.push_back(top);
}

Json LegacyLogprobs::json() const {
  return {{"tokens", tokens_}, {"token_logprobs", logprobs_}, {"top_logprobs", top_}, {"text_offset", offsets_}};
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
