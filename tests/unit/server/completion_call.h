// SPDX-License-Identifier: Apache-2.0
#pragma once
// Completions as the scheduler would run them, with tokens that a test chooses instead of the model, and what their client gets.
#include <gtest/gtest.h>

#include <exception>
#include <future>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "byte_model.h"
#include "http_client.h"
#include "server/completion.h"
#include "server/http.h"
#include "server/metrics.h"

namespace spectra::server {

inline Prompt prompt_of(const std::string& text) {
  Prompt prompt{{}, text};
  for (const char c : text) prompt.ids.push_back(static_cast<unsigned char>(c));
  return prompt;
}

/// A request of one prompt for one text, of at most ten tokens.
inline CompletionRequest request_of(const std::string& prompt) {
  CompletionRequest request;
  request.prompts = {prompt_of(prompt)};
  request.max_tokens = 10;
  request.stop_ids = {test::kEndOfText};
  return request;
}

class CompletionTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    directory_ = std::make_unique<test::TemporaryDirectory>();
    test::write_byte_model(*directory_ / "model");
    model_ = std::make_unique<ServedModel>((*directory_ / "model").string(), ModelOptions());
  }
  static void TearDownTestSuite() {
    model_.reset();
    directory_.reset();
  }

  void SetUp() override {
    http_.start([this](std::shared_ptr<Exchange> exchange) { asked_.set_value(std::move(exchange)); },
                [](const HttpRequest&, int, double) {});
  }

  /// A client asks; every text has begun.
  void start(const CompletionRequest& request) {
    client_ =
        std::make_unique<test::Client>(http_.port(), "GET / HTTP/1.0\r\n\r\n");  // 1.0: streams come as they are, not in chunks
    exchange_ = asked_.get_future().get();
    job_ = std::make_shared<Completion>(request, *model_, metrics_.of("m"), exchange_, Headers{{"X-Cors", "yes"}});
    for (int64_t text = 0; text < job_->texts(); ++text) {
      requests_.push_back(job_->request(text));
      requests_.back().on_start();
    }
  }

  /// False where the text wants no more tokens.
  bool draw(const infer::Token& token, size_t text = 0) { return requests_[text].on_token(token); }
  /// A token each byte, all with the same logprob. False where the last one was not wanted, or one before.
  bool draw(std::string_view bytes, size_t text = 0, float logprob = 0) {
    for (const char c : bytes)
      if (!draw({.id = static_cast<unsigned char>(c), .logprob = logprob}, text)) return false;
    return true;
  }
  void end(infer::FinishReason reason, size_t text = 0, std::exception_ptr error = nullptr) {
    job_->finished(static_cast<int64_t>(text), {reason, std::move(error)});
  }

  /// What the server's metrics say.
  std::string counted(const std::string& line) const {
    const std::string text = metrics_.text({}, 0, 1);
    const size_t at = text.find("\n" + line + " ");
    return at == std::string::npos ? "absent" : text.substr(at + line.size() + 2, text.find('\n', at + 1) - at - line.size() - 2);
  }

  /// All that the client gets: status line, headers, body.
  std::string answer() { return client_->read(); }
  /// The body of a whole answer.
  nlohmann::json json_answer() { return nlohmann::json::parse(test::body_of(answer())); }
  /// The bodies of a stream's events, the last one without "[DONE]", which must be there.
  std::vector<nlohmann::json> events() {
    std::vector<nlohmann::json> result;
    std::string rest = test::body_of(answer());
    for (size_t end; (end = rest.find("\n\n")) != std::string::npos; rest.erase(0, end + 2)) {
      EXPECT_TRUE(rest.starts_with("data: ")) << rest;
      const std::string event = rest.substr(6, end - 6);
      if (event == "[DONE]") {
        EXPECT_EQ(rest.size(), end + 2);
        return result;
      }
      result.push_back(nlohmann::json::parse(event));
    }
    ADD_FAILURE() << "the stream does not end with [DONE]";
    return result;
  }

  static std::unique_ptr<test::TemporaryDirectory> directory_;
  static std::unique_ptr<ServedModel> model_;
  Metrics metrics_;
  std::promise<std::shared_ptr<Exchange>> asked_;
  HttpServer http_{"127.0.0.1", 0, HttpLimits()};
  std::unique_ptr<test::Client> client_;
  std::shared_ptr<Exchange> exchange_;
  std::shared_ptr<Completion> job_;
  std::vector<infer::Request> requests_;
};
inline std::unique_ptr<test::TemporaryDirectory> CompletionTest::directory_;
inline std::unique_ptr<ServedModel> CompletionTest::model_;

}  // namespace spectra::server
