// SPDX-License-Identifier: Apache-2.0
#pragma once
// A request for text on its way: takes the tokens of its texts and answers with one JSON object, or with events.
#include <memory>
#include <string>
#include <vector>

#include "base/stopwatch.h"
#include "infer/text_stream.h"
#include "server/completion_request.h"
#include "server/http.h"
#include "server/scheduler.h"

namespace spectra::server {

/// One text being made.
struct Choice {
  explicit Choice(std::vector<std::string> stops) : stream(std::move(stops)) {}

  infer::TextStream stream;
  std::string text;                         ///< what is there so far, without the prompt
  std::vector<infer::Token> prompt_scores;  ///< the prompt's tokens but the first, with logprobs
  std::vector<infer::Token> tokens;         ///< those drawn, with a stop token that ended the text
  int64_t generated = 0;                    ///< tokens drawn, without a stop token
  size_t sent = 0;                          ///< tokens whose logprobs were streamed
  int64_t offset = 0;                       ///< code points before the next token, for streamed logprobs
  bool started = false, role_sent = false;
  infer::FinishReason reason = infer::FinishReason::kLength;
  double last_token_at = 0;  ///< seconds since the request came
};

class Completion : public Job, public std::enable_shared_from_this<Completion> {
 public:
  /// `cors`: headers for every answer.
  Completion(CompletionRequest request, const ServedModel& model, ModelMetrics& metrics, std::shared_ptr<Exchange> exchange,
             Headers cors);

  int64_t texts() const override { return request_.choices(); }
  infer::Request request(int64_t text) override;
  void finished(int64_t text, const infer::Finished& how) override;

 private:
  bool take(int64_t text, const infer::Token& token);
  void send(int64_t text, const std::string& piece, bool last);
  void send_role(int64_t text);
  void answer();
  void fail(const std::exception_ptr& error);
  void event(const Json& chunk);
  Json envelope(const char* object) const;
  Json usage() const;
  std::vector<size_t> best() const;
  const Prompt& prompt_of(int64_t text) const { return request_.prompts[static_cast<size_t>(text / request_.best_of)]; }
  int64_t index_of(int64_t text) const { return text / request_.best_of * request_.n + text % request_.best_of; }

  const CompletionRequest request_;
  const ServedModel& model_;
  ModelMetrics& metrics_;
  const std::shared_ptr<Exchange> exchange_;
  const Headers cors_;
  const std::string id_;
  const int64_t created_;
  const Stopwatch clock_;
  std::vector<Choice> choices_;
  int64_t ended_ = 0;
  bool failed_ = false, begun_ = false;
};

}  // namespace spectra::server
