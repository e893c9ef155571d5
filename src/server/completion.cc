// SPDX-License-Identifier: Apache-2.0
#include "server/completion.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/error.h"
#include "base/log.h"
#include "base/version.h"
#include "server/api_error.h"
#include "server/logprobs.h"

namespace spectra::server {
namespace {

using infer::FinishReason;
using infer::Token;

std::string random_id(const char* prefix) {
  static std::atomic<uint64_t> next = static_cast<uint64_t>(std::chrono::system_clock::now().time_since_epoch().count());
  return fmt::format("{}{:016x}", prefix, next++ * 0x9e3779b97f4a7c15);
}

int64_t unix_time() {
  return std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch()).count();
}

const char* reason_name(FinishReason reason) { return reason == FinishReason::kStop ? "stop" : "length"; }

double mean_logprob(const Choice& choice) {
  double sum = 0;
  for (const Token& token : choice.tokens) sum += static_cast<double>(token.logprob);
  return choice.tokens.empty() ? 0 : sum / static_cast<double>(choice.tokens.size());
}

}  // namespace

Completion::Completion(CompletionRequest request, const ServedModel& model, ModelMetrics& metrics,
                       std::shared_ptr<Exchange> exchange, Headers cors)
    : request_(std::move(request)),
      model_(model),
      metrics_(metrics),
      exchange_(std::move(exchange)),
      cors_(std::move(cors)),
      id_(random_id(request_.chat ? "chatcmpl-" : "cmpl-")),
      created_(unix_time()),
      choices_(static_cast<size_t>(request_.choices()), Choice(request_.stops)) {
  for (size_t i = 0; i < choices_.size() && request_.logprobs >= 0; ++i) {
    const Prompt& prompt = prompt_of(static_cast<int64_t>(i));
    int64_t& offset = choices_[i].offset = code_points(prompt.text);
    for (const int32_t id : prompt.ids)
      if (request_.echo) offset -= code_points(token_bytes(model_.tokenizer, id));
  }
}

infer::Request Completion::request(int64_t text) {
  const auto self = shared_from_this();  // the callbacks keep the completion alive while the batcher has them
  const Prompt& prompt = prompt_of(text);
  infer::Request r;
  r.prompt = prompt.ids;
  r.max_tokens = std::min(request_.max_tokens, model_.context - static_cast<int64_t>(prompt.ids.size()) + 1);
  r.sampling = request_.sampling_of(text);
  r.stop_ids = request_.stop_ids;
  r.logprobs = request_.best_of > request_.n ? std::max<int64_t>(request_.logprobs, 0) : request_.logprobs;
  if (request_.echo && request_.logprobs >= 0) r.score_from = 1;
  r.on_start = [self, text] {
    Choice& c = self->choices_[static_cast<size_t>(text)];
    if (std::exchange(c.started, true)) return;
    self->metrics_.queued(self->clock_.seconds());
    if (text % self->request_.best_of == 0) self->metrics_.prompt(static_cast<int64_t>(self->prompt_of(text).ids.size()));
  };
  r.on_prompt = [self, text](const std::vector<Token>& scores) {
    self->choices_[static_cast<size_t>(text)].prompt_scores = scores;
  };
  r.on_token = [self, text](const Token& token) { return self->take(text, token); };
  return r;
}

bool Completion::take(int64_t text, const Token& token) {
  if (failed_) return false;
  Choice& c = choices_[static_cast<size_t>(text)];
  const double now = clock_.seconds();
  if (c.tokens.empty())
    metrics_.first_token(now);
  else
    metrics_.next_token(now - c.last_token_at);
  c.last_token_at = now;
  const int64_t previous = c.tokens.empty() ? prompt_of(text).ids.back() : c.tokens.back().id;
  c.tokens.push_back(token);
  if (token.stop) return false;
  ++c.generated;
  const std::string piece = c.stream.push(model_.tokenizer.piece(static_cast<uint32_t>(token.id), previous));
  c.text += piece;
  if (request_.stream && (!piece.empty() || request_.logprobs >= 0)) send(text, piece, false);
  return !c.stream.stopped();
}

void Completion::finished(int64_t text, const infer::Finished& how) {
  Choice& c = choices_[static_cast<size_t>(text)];
  c.reason = how.reason;
  ++ended_;
  try {
    metrics_.text_finished(finish_reason_name(how.reason), c.generated);
    if (ended_ == texts()) metrics_.request_finished(clock_.seconds());
    if (how.reason == FinishReason::kFailed) return fail(how.error);
    if (how.reason == FinishReason::kInterrupted)
      return fail(std::make_exception_ptr(ApiError(503, "the request was interrupted", "", "interrupted")));
    const std::string rest = c.stream.finish();
    c.text += rest;
    if (request_.stream) send(text, rest, true);
    if (ended_ == texts()) answer();
  } catch (...) {
    fail(std::current_exception());
  }
}

Json Completion::envelope(const char* object) const {
  return {{"id", id_},
          {"object", object},
          {"created", created_},
          {"model", model_.name},
          {"system_fingerprint", fmt::format("spectra-{}", tool_version())}};
}

Json Completion::usage() const {
  int64_t prompt = 0, generated = 0;
  for (const Prompt& p : request_.prompts) prompt += static_cast<int64_t>(p.ids.size());
  for (const Choice& c : choices_) generated += c.generated;
  return {{"prompt_tokens", prompt}, {"completion_tokens", generated}, {"total_tokens", prompt + generated}};
}

void Completion::event(const Json& chunk) {
  if (!std::exchange(begun_, true)) {
    Headers headers = cors_;
    headers["Content-Type"] = "text/event-stream";
    headers["Cache-Control"] = "no-cache";
    exchange_->begin(std::move(headers));
  }
  exchange_->write("data: " + json_text(chunk) + "\n\n");
}

void Completion::send_role(int64_t text) {
  Choice& c = choices_[static_cast<size_t>(text)];
  if (!request_.chat || std::exchange(c.role_sent, true)) return;
  Json chunk = envelope("chat.completion.chunk");
  chunk["choices"] = Json::array({{{"index", index_of(text)},
                                   {"delta", {{"role", "assistant"}, {"content", ""}}},
                                   {"logprobs", nullptr},
                                   {"finish_reason", nullptr}}});
  if (request_.include_usage) chunk["usage"] = nullptr;
  event(chunk);
}

/// Sends an event with `piece` and the logprobs of tokens not yet sent. With echo the prompt comes before the first piece.
void Completion::send(int64_t text, const std::string& piece, bool last) {
  if (failed_) return;
  send_role(text);
  Choice& c = choices_[static_cast<size_t>(text)];
  const Prompt& prompt = prompt_of(text);
  const bool first = c.sent == 0 && c.text.size() == piece.size();
  Json choice = {{"index", index_of(text)}};
  const std::span<const Token> fresh = std::span<const Token>(c.tokens).subspan(c.sent);
  const Json reason = last ? Json(reason_name(c.reason)) : Json();
  if (request_.chat) {
    choice["delta"] = last && piece.empty() ? Json::object() : Json{{"content", piece}};
    choice["logprobs"] = request_.logprobs >= 0 ? chat_logprobs(model_.tokenizer, fresh) : Json();
  } else {
    choice["text"] = (first && request_.echo ? prompt.text : "") + piece;
    ScoredText scored{.drawn = fresh};
    if (first && request_.echo) scored = {prompt.ids[0], c.prompt_scores, fresh};
    choice["logprobs"] =
        request_.logprobs >= 0 ? legacy_logprobs(model_.tokenizer, scored, request_.ids_as_tokens, c.offset) : Json();
  }
  choice["finish_reason"] = reason;
  c.sent = c.tokens.size();
  Json chunk = envelope(request_.chat ? "chat.completion.chunk" : "text_completion");
  chunk["choices"] = Json::array({choice});
  if (request_.include_usage) chunk["usage"] = nullptr;
  event(chunk);
}

/// The texts to return: of each prompt the n with the largest mean logprob, in the order in which they were made.
std::vector<size_t> Completion::best() const {
  std::vector<size_t> result;
  const auto best_of = static_cast<size_t>(request_.best_of), n = static_cast<size_t>(request_.n);
  for (size_t first = 0; first < choices_.size(); first += best_of) {
    std::vector<size_t> order(best_of);
    for (size_t i = 0; i < best_of; ++i) order[i] = first + i;
    if (n < best_of)
      std::stable_sort(order.begin(), order.end(),
                       [&](size_t a, size_t b) { return mean_logprob(choices_[a]) > mean_logprob(choices_[b]); });
    order.resize(n);
    std::sort(order.begin(), order.end());
    result.insert(result.end(), order.begin(), order.end());
  }
  return result;
}

void Completion::answer() {
  if (failed_) return;
  if (request_.stream) {
    if (request_.include_usage) {
      Json chunk = envelope(request_.chat ? "chat.completion.chunk" : "text_completion");
      chunk["choices"] = Json::array();
      chunk["usage"] = usage();
      event(chunk);
    }
    exchange_->write("data: [DONE]\n\n");
    return exchange_->end();
  }
  Json list = Json::array();
  for (const size_t i : best()) {
    const Choice& c = choices_[i];
    const Prompt& prompt = prompt_of(static_cast<int64_t>(i));
    Json choice = {{"index", list.size()}};
    if (request_.chat) {
      choice["message"] = {{"role", "assistant"}, {"content", c.text}, {"refusal", nullptr}};
      choice["logprobs"] = request_.logprobs >= 0 ? chat_logprobs(model_.tokenizer, c.tokens) : Json();
    } else {
      choice["text"] = (request_.echo ? prompt.text : "") + c.text;
      ScoredText scored{.drawn = c.tokens};
      if (request_.echo) scored = {prompt.ids[0], c.prompt_scores, c.tokens};
      int64_t offset = c.offset;
      choice["logprobs"] =
          request_.logprobs >= 0 ? legacy_logprobs(model_.tokenizer, scored, request_.ids_as_tokens, offset) : Json();
    }
    choice["finish_reason"] = reason_name(c.reason);
    list.push_back(choice);
  }
  Json result = envelope(request_.chat ? "chat.completion" : "text_completion");
  result["choices"] = list;
  result["usage"] = usage();
  Headers headers = cors_;
  headers["Content-Type"] = "application/json";
  exchange_->reply(200, json_text(result), std::move(headers));
}

/// Answers with an error, once. It is an event where the answer has begun.
void Completion::fail(const std::exception_ptr& error) {
  if (std::exchange(failed_, true)) return;
  std::string body;
  int status = 500;
  try {
    std::rethrow_exception(error);
  } catch (const ApiError& e) {
    status = e.status;
    body = error_json(e);
  } catch (const std::exception& e) {
    log_warning("a request failed: {}", e.what());
    body = error_json(ApiError(500, e.what()));
  }
  if (begun_) {
    exchange_->write("data: " + body + "\n\ndata: [DONE]\n\n");
    return exchange_->end();
  }
  Headers headers = cors_;
  headers["Content-Type"] = "application/json";
  exchange_->reply(status, std::move(body), std::move(headers));
}

}  // namespace spectra::server
