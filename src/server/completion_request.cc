// SPDX-License-Identifier: Apache-2.0
#include "server/completion_request.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <random>

#include "base/error.h"
#include "infer/limits.h"
#include "server/api_error.h"

namespace spectra::server {
namespace {

constexpr int64_t kMostTexts = 128;  // that a request may ask for
constexpr int64_t kMostLogprobs = 20;
constexpr int64_t kMostStops = 16;
constexpr size_t kMostStopBytes = 1024;
constexpr int64_t kMostTokens = int64_t{1} << 31;
// No tokenizer joins more bytes to a token, so a text with more bytes for each token of the context cannot fit.
constexpr size_t kMostTokenBytes = 512;

uint64_t random_seed() {
  std::random_device device;
  return (static_cast<uint64_t>(device()) << 32) | device();
}

/// Texts of more bytes cannot fit the context.
size_t most_bytes(const ServedModel& model) { return static_cast<size_t>(model.context) * kMostTokenBytes; }

std::vector<std::string> read_stops(const Fields& body) {
  const nlohmann::json* value = body.find("stop");
  std::vector<std::string> stops;
  if (value == nullptr) return stops;
  const nlohmann::json list = value->is_array() ? *value : nlohmann::json::array({*value});
  if (list.size() > kMostStops) body.fail("stop", fmt::format("{} strings; at most {} are allowed", list.size(), kMostStops));
  for (const nlohmann::json& stop : list) {
    if (!stop.is_string()) body.fail("stop", fmt::format("expected a string or an array of them, found {}", stop.type_name()));
    stops.push_back(stop.get<std::string>());
    if (stops.back().size() > kMostStopBytes) body.fail("stop", fmt::format("longer than {} bytes", kMostStopBytes));
  }
  return stops;
}

std::vector<infer::LogitBias> read_biases(const Fields& body, int64_t vocab) {
  constexpr double kLargest = 100;
  const nlohmann::json* value = body.find("logit_bias");
  std::vector<infer::LogitBias> biases;
  if (value == nullptr) return biases;
  if (!value->is_object()) body.fail("logit_bias", fmt::format("expected an object of token ids, found {}", value->type_name()));
  for (const auto& [key, bias] : value->items()) {
    int32_t token = -1;
    const auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), token);
    if (error != std::errc() || end != key.data() + key.size() || token < 0 || token >= vocab)
      body.fail("logit_bias", fmt::format("\"{}\" is no token id below {}", key, vocab));
    if (!bias.is_number() || std::abs(bias.get<double>()) > kLargest)
      body.fail("logit_bias", fmt::format("the bias of token {} must be a number from -100 to 100", token));
    biases.push_back({token, bias.get<double>()});
  }
  return biases;
}

infer::Sampling read_sampling(const Fields& body, int64_t vocab) {
  infer::Sampling s;
  s.temperature = body.number("temperature", 1, 0, 100);
  s.top_p = body.number("top_p", 1, 0, 1);
  if (s.top_p == 0) body.fail("top_p", "must be above 0");
  s.top_k = std::clamp<int64_t>(body.integer("top_k", 0, -1, std::numeric_limits<int64_t>::max()), 0, vocab);
  s.min_p = body.number("min_p", 0, 0, 1);
  s.presence_penalty = body.number("presence_penalty", 0, -2, 2);
  s.frequency_penalty = body.number("frequency_penalty", 0, -2, 2);
  s.repetition_penalty = body.number("repetition_penalty", 1, 1e-3, 1e3);
  s.logit_bias = read_biases(body, vocab);
  constexpr int64_t kMin = std::numeric_limits<int64_t>::min(), kMax = std::numeric_limits<int64_t>::max();
  s.seed = body.has("seed") ? static_cast<uint64_t>(body.integer("seed", 0, kMin, kMax)) : random_seed();
  return s;
}

/// Reads the fields that both kinds of request have.
CompletionRequest read_common(const Fields& body, const ServedModel& model) {
  CompletionRequest r;
  r.n = body.integer("n", 1, 1, kMostTexts);
  r.best_of = body.integer("best_of", r.n, r.n, kMostTexts);
  r.stream = body.boolean("stream", false);
  if (r.stream && r.best_of > r.n) body.fail("best_of", "cannot be streamed: which texts are best is known at the end");
  r.include_usage = body.object("stream_options").boolean("include_usage", false);
  if (!r.stream && body.has("stream_options")) body.fail("stream_options", "only allowed with stream: true");
  r.ids_as_tokens = body.boolean("return_tokens_as_token_ids", false);
  r.stops = read_stops(body);
  r.stop_ids = body.ids("stop_token_ids");
  if (!body.boolean("ignore_eos", false))
    for (const int32_t id : {model.tokenizer.eos(), model.tokenizer.bos()})
      if (id >= 0) r.stop_ids.push_back(id);
  r.sampling = read_sampling(body, model.tokenizer.vocab_size());
  r.seeded = body.has("seed");
  return r;
}

std::vector<Prompt> read_prompts(const Fields& body, const ServedModel& model) {
  const nlohmann::json* value = body.find("prompt");
  const nlohmann::json prompt = value == nullptr ? nlohmann::json("") : *value;
  const auto of_text = [&](const std::string& text) { return Prompt{encode(text, model, true, "prompt"), text}; };
  const auto of_ids = [&](const nlohmann::json& array) {
    Prompt p{read_ids(array, "prompt"), {}};
    p.text = model.tokenizer.decode({p.ids.begin(), p.ids.end()}, true);
    return p;
  };
  if (prompt.is_string()) return {of_text(prompt.get<std::string>())};
  if (!prompt.is_array() || prompt.empty())
    body.fail("prompt", "expected a string, an array of strings, an array of token ids, or an array of those");
  if (prompt[0].is_number()) return {of_ids(prompt)};
  if (static_cast<int64_t>(prompt.size()) > kMostTexts)
    body.fail("prompt", fmt::format("{} prompts; at most {} are allowed", prompt.size(), kMostTexts));
  std::vector<Prompt> prompts;
  for (const nlohmann::json& p : prompt) prompts.push_back(p.is_string() ? of_text(p.get<std::string>()) : of_ids(p));
  return prompts;
}

/// Throws ApiError where the positions of the context or the pages of the engine do not suffice for a prompt.
void check_lengths(CompletionRequest& r, const ServedModel& model, const char* field) {
  if (r.choices() > kMostTexts)
    throw ApiError(
        400, fmt::format("{} prompts with {} texts each; at most {} texts are allowed", r.prompts.size(), r.best_of, kMostTexts),
        field);
  for (const Prompt& p : r.prompts) {
    const auto size = static_cast<int64_t>(p.ids.size());
    if (size == 0) throw ApiError(400, "the prompt has no tokens", field);
    if (size > model.context)
      throw ApiError(400, fmt::format("the prompt has {} tokens and the context {}", size, model.context), field,
                     "context_length_exceeded");
    for (const int32_t id : p.ids)
      if (id >= model.engine.model().config.vocab)
        throw ApiError(400, fmt::format("the prompt has token {}; the vocabulary has {}", id, model.engine.model().config.vocab),
                       field);
    try {
      infer::positions_needed(model.engine, size, std::min(r.max_tokens, model.context - size + 1));
    } catch (const Error& error) {
      throw ApiError(400, error.what(), field, "context_length_exceeded");
    }
  }
}

text::RenderedChat render_chat(const nlohmann::json& messages, const ServedModel& model) {
  try {
    const std::vector<text::ChatMessage> list = text::read_messages(messages);
    size_t bytes = 0;
    for (const text::ChatMessage& message : list) bytes += message.content.size();
    if (bytes > most_bytes(model))
      throw ApiError(400, "messages: more text than the context can hold", "messages", "context_length_exceeded");
    return model.chat.render(list);
  } catch (const text::MessageError& error) {
    const std::string field = fmt::format("messages[{}]", error.index());
    throw ApiError(400, field + ": " + error.what(), field);
  } catch (const Error& error) {
    throw ApiError(400, error.what(), "messages");
  }
}

}  // namespace

infer::Sampling CompletionRequest::sampling_of(int64_t k) const {
  infer::Sampling s = sampling;
  s.seed += static_cast<uint64_t>(seeded ? k % best_of : k);
  return s;
}

std::vector<int32_t> encode(const std::string& text, const ServedModel& model, bool add_bos, const std::string& field) {
  if (text.size() > most_bytes(model))
    throw ApiError(400, fmt::format("{} bytes of text are more than the context of {} tokens can hold", text.size(), model.context),
                   field, "context_length_exceeded");
  const std::vector<uint32_t> ids = model.tokenizer.encode(text);
  if (add_bos) return model.tokenizer.with_bos(ids);
  return {ids.begin(), ids.end()};
}

CompletionRequest read_completion(const Fields& body, const ServedModel& model) {
  body.refuse("suffix", "text before a suffix is not supported");
  CompletionRequest r = read_common(body, model);
  r.max_tokens = body.integer("max_tokens", 16, 0, kMostTokens);
  r.echo = body.boolean("echo", false);
  if (r.max_tokens == 0 && !r.echo) body.fail("max_tokens", "0 is allowed only with echo");
  r.logprobs = body.integer("logprobs", -1, 0, kMostLogprobs);
  r.prompts = read_prompts(body, model);
  check_lengths(r, model, "prompt");
  return r;
}

CompletionRequest read_chat(const Fields& body, const ServedModel& model) {
  for (const char* name : {"tools", "functions", "audio"}) body.refuse(name, "not supported by this server");
  if (const std::string type = body.object("response_format").text("type", "text"); type != "text")
    body.fail("response_format", fmt::format("\"{}\" is not supported; allowed: \"text\"", type));
  CompletionRequest r = read_common(body, model);
  r.chat = true;
  const bool logprobs = body.boolean("logprobs", false);
  r.logprobs = body.integer("top_logprobs", 0, 0, kMostLogprobs);
  if (!logprobs && r.logprobs > 0) body.fail("top_logprobs", "only allowed with logprobs: true");
  if (!logprobs) r.logprobs = -1;
  const nlohmann::json* messages = body.find("messages");
  if (messages == nullptr) body.fail("messages", "is missing");
  const text::RenderedChat chat = render_chat(*messages, model);
  r.prompts = {{encode(chat.text, model, !chat.begins_itself, "messages"), chat.text}};
  r.stops.insert(r.stops.end(), chat.stops.begin(), chat.stops.end());
  const int64_t left = model.context - static_cast<int64_t>(r.prompts[0].ids.size());
  const char* limit = body.has("max_completion_tokens") ? "max_completion_tokens" : "max_tokens";
  r.max_tokens = body.integer(limit, std::max<int64_t>(left, 1), 1, kMostTokens);
  check_lengths(r, model, "messages");
  return r;
}

}  // namespace spectra::server
