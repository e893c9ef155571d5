// SPDX-License-Identifier: Apache-2.0
#include "server/completion.h"

#include <gtest/gtest.h>

#include <exception>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/error.h"
#include "completion_call.h"
#include "server/api_error.h"

namespace spectra::server {
namespace {

using infer::FinishReason;
using nlohmann::json;

TEST_F(CompletionTest, TextAndUsage) {
  start(request_of("ab"));
  EXPECT_TRUE(draw("hi!"));
  EXPECT_EQ(exchange_->state(), Exchange::State::kOpen);
  end(FinishReason::kLength);
  const std::string whole = answer();
  EXPECT_NE(whole.find(" 200 "), std::string::npos);
  EXPECT_NE(whole.find("X-Cors: yes"), std::string::npos);
  EXPECT_NE(whole.find("Content-Type: application/json"), std::string::npos);
  const json body = json::parse(test::body_of(whole));
  EXPECT_EQ(body["object"], "text_completion");
  EXPECT_EQ(body["model"], "model");
  EXPECT_EQ(body["choices"], json::parse(R"([{"index": 0, "text": "hi!", "logprobs": null, "finish_reason": "length"}])"));
  EXPECT_EQ(body["usage"], json::parse(R"({"prompt_tokens": 2, "completion_tokens": 3, "total_tokens": 5})"));
}

TEST_F(CompletionTest, AChatIsAMessage) {
  CompletionRequest request = request_of("ab");
  request.chat = true;
  start(request);
  EXPECT_TRUE(draw("hi"));
  end(FinishReason::kStop);
  const json body = json_answer();
  EXPECT_EQ(body["object"], "chat.completion");
  EXPECT_EQ(body["choices"], json::parse(R"([{"index": 0, "message": {"role": "assistant", "content": "hi", "refusal": null},
                                              "logprobs": null, "finish_reason": "stop"}])"));
  EXPECT_EQ(body["usage"], json::parse(R"({"prompt_tokens": 2, "completion_tokens": 2, "total_tokens": 4})"));
}

TEST_F(CompletionTest, WhatTheBatcherIsAskedFor) {
  CompletionRequest request = request_of("ab");
  request.max_tokens = 1000;
  request.logprobs = 3;
  request.echo = true;
  request.sampling.temperature = 0.5;
  start(request);
  EXPECT_EQ(requests_[0].prompt, (std::vector<int32_t>{'a', 'b'}));
  EXPECT_EQ(requests_[0].max_tokens, model_->context - 1);  // the last token drawn takes no place
  EXPECT_EQ(requests_[0].stop_ids, (std::vector<int32_t>{test::kEndOfText}));
  EXPECT_EQ(requests_[0].logprobs, 3);
  EXPECT_EQ(requests_[0].score_from, 1);
  EXPECT_EQ(requests_[0].sampling.temperature, 0.5);
}

TEST_F(CompletionTest, SeedsOfSeveralTexts) {
  CompletionRequest request = request_of("a");
  request.prompts.push_back(prompt_of("b"));
  request.n = request.best_of = 2;
  request.sampling.seed = 7;
  const auto seeds = [&] {
    std::vector<uint64_t> result;
    for (int64_t text = 0; text < 4; ++text) result.push_back(request.sampling_of(text).seed);
    return result;
  };
  EXPECT_EQ(seeds(), (std::vector<uint64_t>{7, 8, 9, 10}));
  request.seeded = true;
  EXPECT_EQ(seeds(), (std::vector<uint64_t>{7, 8, 7, 8}));
  start(request);
  EXPECT_EQ(requests_[3].sampling.seed, 8u);
  EXPECT_EQ(requests_[3].prompt, (std::vector<int32_t>{'b'}));
}

TEST_F(CompletionTest, AStopTokenIsNoPartOfTheText) {
  CompletionRequest request = request_of("ab");
  request.logprobs = 0;
  start(request);
  EXPECT_TRUE(draw("hi", 0, -0.5f));
  EXPECT_FALSE(draw({.id = test::kEndOfText, .logprob = -2, .stop = true}));
  end(FinishReason::kStop);
  const json body = json_answer();
  EXPECT_EQ(body["choices"][0]["text"], "hi");
  EXPECT_EQ(body["choices"][0]["finish_reason"], "stop");
  EXPECT_EQ(body["usage"]["completion_tokens"], 2);
  EXPECT_EQ(body["choices"][0]["logprobs"]["tokens"], json::parse(R"(["h", "i", "<|endoftext|>"])"));
  EXPECT_EQ(body["choices"][0]["logprobs"]["token_logprobs"], json::parse("[-0.5, -0.5, -2.0]"));
}

TEST_F(CompletionTest, AStopStringEndsTheTextBeforeIt) {
  CompletionRequest request = request_of("ab");
  request.stops = {"END", "never"};
  start(request);
  EXPECT_TRUE(draw("oneEN"));
  EXPECT_FALSE(draw("D"));
  end(FinishReason::kStop);
  const json body = json_answer();
  EXPECT_EQ(body["choices"][0]["text"], "one");
  EXPECT_EQ(body["choices"][0]["finish_reason"], "stop");
  EXPECT_EQ(body["usage"]["completion_tokens"], 6);  // as many were made
}

TEST_F(CompletionTest, TheBeginningOfAStopStringIsText) {
  CompletionRequest request = request_of("ab");
  request.stops = {"END"};
  start(request);
  EXPECT_TRUE(draw("oneEN"));
  end(FinishReason::kLength);
  EXPECT_EQ(json_answer()["choices"][0]["text"], "oneEN");
}

TEST_F(CompletionTest, LogprobsBesideTheEchoedPrompt) {
  CompletionRequest request = request_of("ab");
  request.echo = true;
  request.logprobs = 1;
  start(request);
  requests_[0].on_prompt({{.id = 'b', .logprob = -1, .top = {{'x', -0.25f}}}});
  EXPECT_TRUE(draw({.id = 'h', .logprob = -0.5f, .top = {{'h', -0.5f}}}));
  end(FinishReason::kLength);
  const json choice = json_answer()["choices"][0];
  EXPECT_EQ(choice["text"], "abh");
  EXPECT_EQ(choice["logprobs"], json::parse(R"({"tokens": ["a", "b", "h"], "token_logprobs": [null, -1.0, -0.5],
    "top_logprobs": [null, {"x": -0.25, "b": -1.0}, {"h": -0.5}], "text_offset": [0, 1, 2]})"));
}

TEST_F(CompletionTest, LogprobsOfAChat) {
  CompletionRequest request = request_of("ab");
  request.chat = true;
  request.logprobs = 2;
  start(request);
  EXPECT_TRUE(draw({.id = 'h', .logprob = -0.5f, .top = {{'h', -0.5f}, {'i', -1}}}));
  end(FinishReason::kLength);
  EXPECT_EQ(json_answer()["choices"][0]["logprobs"], json::parse(R"({"refusal": null, "content": [
    {"token": "h", "logprob": -0.5, "bytes": [104], "top_logprobs": [{"token": "h", "logprob": -0.5, "bytes": [104]},
                                                                      {"token": "i", "logprob": -1.0, "bytes": [105]}]}]})"));
}

TEST_F(CompletionTest, SeveralTextsAreAnsweredInOrder) {
  CompletionRequest request = request_of("a");
  request.prompts.push_back(prompt_of("bc"));
  request.n = request.best_of = 2;
  start(request);
  ASSERT_EQ(requests_.size(), 4u);
  for (const size_t text : {2, 0, 3, 1}) {
    EXPECT_EQ(exchange_->state(), Exchange::State::kOpen);
    EXPECT_TRUE(draw(std::string(text + 1, 'x'), text));
    end(text == 3 ? FinishReason::kStop : FinishReason::kLength, text);
  }
  const json body = json_answer();
  EXPECT_EQ(body["choices"], json::parse(R"([{"index": 0, "text": "x", "logprobs": null, "finish_reason": "length"},
                                             {"index": 1, "text": "xx", "logprobs": null, "finish_reason": "length"},
                                             {"index": 2, "text": "xxx", "logprobs": null, "finish_reason": "length"},
                                             {"index": 3, "text": "xxxx", "logprobs": null, "finish_reason": "stop"}])"));
  EXPECT_EQ(body["usage"], json::parse(R"({"prompt_tokens": 3, "completion_tokens": 10, "total_tokens": 13})"));
}

TEST_F(CompletionTest, TheBestTextsAreReturned) {
  CompletionRequest request = request_of("a");
  request.n = 2;
  request.best_of = 3;
  start(request);
  EXPECT_EQ(requests_[0].logprobs, 0);  // without being shown
  EXPECT_TRUE(draw("low", 0, -3));
  EXPECT_TRUE(draw("good", 1, -2));
  EXPECT_TRUE(draw("best", 2, -1));
  for (size_t text = 0; text < 3; ++text) end(FinishReason::kLength, text);
  const json body = json_answer();
  ASSERT_EQ(body["choices"].size(), 2u);
  EXPECT_EQ(body["choices"][0]["text"], "good");  // in the order in which they were made
  EXPECT_EQ(body["choices"][1]["text"], "best");
  EXPECT_EQ(body["choices"][0]["logprobs"], nullptr);
  EXPECT_EQ(body["usage"]["completion_tokens"], 11);  // all were made
}

TEST_F(CompletionTest, AFailureAnswersOnce) {
  CompletionRequest request = request_of("a");
  request.n = request.best_of = 2;
  start(request);
  EXPECT_TRUE(draw("x", 1));
  end(FinishReason::kFailed, 0, std::make_exception_ptr(bad_input("no logit is finite")));
  EXPECT_EQ(exchange_->state(), Exchange::State::kReplied);
  EXPECT_FALSE(draw("y", 1));  // nobody wants it any more
  end(FinishReason::kStop, 1);
  const std::string whole = answer();
  EXPECT_NE(whole.find(" 500 "), std::string::npos);
  EXPECT_NE(whole.find("X-Cors: yes"), std::string::npos);
  EXPECT_EQ(json::parse(test::body_of(whole))["error"]["message"], "no logit is finite");
}

TEST_F(CompletionTest, AnErrorOfTheApiKeepsItsStatus) {
  start(request_of("a"));
  end(FinishReason::kFailed, 0, std::make_exception_ptr(ApiError(400, "wrong", "seed", "bad_seed")));
  const std::string whole = answer();
  EXPECT_NE(whole.find(" 400 "), std::string::npos);
  const json error = json::parse(test::body_of(whole))["error"];
  EXPECT_EQ(error["message"], "wrong");
  EXPECT_EQ(error["param"], "seed");
  EXPECT_EQ(error["code"], "bad_seed");
}

TEST_F(CompletionTest, AnInterruptionIsTold) {
  start(request_of("a"));
  EXPECT_TRUE(draw("x"));
  end(FinishReason::kInterrupted);
  const std::string whole = answer();
  EXPECT_NE(whole.find(" 503 "), std::string::npos);
  EXPECT_EQ(json::parse(test::body_of(whole))["error"]["code"], "interrupted");
}

TEST_F(CompletionTest, MetricsCountPromptsOnce) {
  CompletionRequest request = request_of("abc");
  request.prompts.push_back(prompt_of("de"));
  request.n = request.best_of = 2;
  start(request);
  for (const infer::Request& r : requests_) r.on_start();  // again, as after a preemption
  EXPECT_EQ(counted(R"(spectra_prompt_tokens_total{model="m"})"), "5");
  EXPECT_EQ(counted(R"(spectra_queue_seconds_count{model="m"})"), "4");
  EXPECT_TRUE(draw("xyz", 0));
  EXPECT_TRUE(draw("x", 3));
  end(FinishReason::kLength, 0);
  end(FinishReason::kStop, 1);
  end(FinishReason::kStop, 2);
  EXPECT_EQ(counted(R"(spectra_request_seconds_count{model="m"})"), "0");
  end(FinishReason::kLength, 3);
  EXPECT_EQ(counted(R"(spectra_request_seconds_count{model="m"})"), "1");
  EXPECT_EQ(counted(R"(spectra_generated_tokens_total{model="m"})"), "4");
  EXPECT_EQ(counted(R"(spectra_texts_finished_total{model="m",reason="length"})"), "2");
  EXPECT_EQ(counted(R"(spectra_texts_finished_total{model="m",reason="stop"})"), "2");
  EXPECT_EQ(counted(R"(spectra_time_to_first_token_seconds_count{model="m"})"), "2");
  EXPECT_EQ(counted(R"(spectra_time_between_tokens_seconds_count{model="m"})"), "2");
}

}  // namespace
}  // namespace spectra::server
