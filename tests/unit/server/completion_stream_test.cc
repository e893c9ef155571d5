// SPDX-License-Identifier: Apache-2.0
// Completions that answer with events.
#include <gtest/gtest.h>

#include <exception>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/error.h"
#include "completion_call.h"
#include "server/completion.h"

namespace spectra::server {
namespace {

using infer::FinishReason;
using nlohmann::json;

class CompletionStreamTest : public CompletionTest {
 protected:
  static CompletionRequest stream_of(const std::string& prompt) {
    CompletionRequest request = request_of(prompt);
    request.stream = true;
    return request;
  }
  /// The texts of the events, the reason of the last one behind them.
  std::vector<std::string> pieces() {
    std::vector<std::string> result;
    json reason;
    for (const json& event : events()) {
      EXPECT_EQ(event["object"], "text_completion");
      EXPECT_TRUE(reason.is_null()) << event;  // nothing comes after it
      result.push_back(event["choices"][0]["text"]);
      reason = event["choices"][0]["finish_reason"];
    }
    result.push_back(reason.is_string() ? reason.get<std::string>() : "no reason");
    return result;
  }
  using Pieces = std::vector<std::string>;
};

TEST_F(CompletionStreamTest, AnEventEachToken) {
  start(stream_of("ab"));
  EXPECT_TRUE(draw("h"));
  EXPECT_EQ(exchange_->state(), Exchange::State::kStreaming);
  EXPECT_TRUE(draw("i"));
  end(FinishReason::kLength);
  EXPECT_EQ(pieces(), (Pieces{"h", "i", "", "length"}));
}

TEST_F(CompletionStreamTest, Headers) {
  start(stream_of("ab"));
  end(FinishReason::kStop);
  const std::string whole = answer();
  EXPECT_NE(whole.find(" 200 "), std::string::npos);
  EXPECT_NE(whole.find("Content-Type: text/event-stream"), std::string::npos);
  EXPECT_NE(whole.find("X-Cors: yes"), std::string::npos);
}

TEST_F(CompletionStreamTest, TheBeginningOfAStopStringIsHeldBack) {
  CompletionRequest request = stream_of("ab");
  request.stops = {"END"};
  start(request);
  EXPECT_TRUE(draw("aExE"));
  end(FinishReason::kLength);
  EXPECT_EQ(pieces(), (Pieces{"a", "Ex", "E", "length"}));
}

TEST_F(CompletionStreamTest, AStopStringIsNeverShown) {
  CompletionRequest request = stream_of("ab");
  request.stops = {"END"};
  start(request);
  EXPECT_TRUE(draw("aEN"));
  EXPECT_FALSE(draw("D"));
  end(FinishReason::kStop);
  EXPECT_EQ(pieces(), (Pieces{"a", "", "stop"}));
}

TEST_F(CompletionStreamTest, OnlyWholeCharacters) {
  start(stream_of("ab"));
  EXPECT_TRUE(draw("\xc3\xab\xe2\x82"));  // one character, and two thirds of another
  end(FinishReason::kLength);
  EXPECT_EQ(pieces(), (Pieces{"\xc3\xab", "\xef\xbf\xbd", "length"}));
}

TEST_F(CompletionStreamTest, EchoComesFirst) {
  CompletionRequest request = stream_of("ab");
  request.echo = true;
  start(request);
  EXPECT_TRUE(draw("hi"));
  end(FinishReason::kLength);
  EXPECT_EQ(pieces(), (Pieces{"abh", "i", "", "length"}));
}

TEST_F(CompletionStreamTest, LogprobsGoOnFromEventToEvent) {
  CompletionRequest request = stream_of("ab");
  request.logprobs = 0;
  request.stops = {"END"};
  start(request);
  EXPECT_TRUE(draw("hEx", 0, -0.5f));
  EXPECT_FALSE(draw({.id = test::kEndOfText, .logprob = -1, .stop = true}));
  end(FinishReason::kStop);
  const std::vector<json> all = events();
  ASSERT_EQ(all.size(), 4u);
  const char* const texts[] = {"h", "", "Ex", ""};
  const char* const tokens[] = {"h", "E", "x", "<|endoftext|>"};
  for (size_t i = 0; i < 4; ++i) {
    const json& choice = all[i]["choices"][0];
    EXPECT_EQ(choice["text"], texts[i]);
    EXPECT_EQ(choice["logprobs"]["tokens"], json::array({tokens[i]}));
    EXPECT_EQ(choice["logprobs"]["text_offset"], json::array({2 + i}));
    EXPECT_EQ(choice["finish_reason"], i == 3 ? json("stop") : json());
  }
}

TEST_F(CompletionStreamTest, AChatBeginsWithItsRole) {
  CompletionRequest request = stream_of("ab");
  request.chat = true;
  start(request);
  EXPECT_TRUE(draw("h"));
  end(FinishReason::kStop);
  const std::vector<json> all = events();
  ASSERT_EQ(all.size(), 3u);
  for (const json& event : all) {
    EXPECT_EQ(event["object"], "chat.completion.chunk");
    EXPECT_EQ(event["id"], all[0]["id"]);
    EXPECT_FALSE(event.contains("usage"));
  }
  EXPECT_EQ(all[0]["choices"][0]["delta"], json::parse(R"({"role": "assistant", "content": ""})"));
  EXPECT_EQ(all[1]["choices"][0]["delta"], json::parse(R"({"content": "h"})"));
  EXPECT_EQ(all[2]["choices"][0]["delta"], json::object());
  EXPECT_EQ(all[1]["choices"][0]["finish_reason"], nullptr);
  EXPECT_EQ(all[2]["choices"][0]["finish_reason"], "stop");
}

TEST_F(CompletionStreamTest, UsageComesLastWhereItIsWanted) {
  CompletionRequest request = stream_of("ab");
  request.include_usage = true;
  start(request);
  EXPECT_TRUE(draw("hi"));
  end(FinishReason::kLength);
  const std::vector<json> all = events();
  ASSERT_EQ(all.size(), 4u);
  for (size_t i = 0; i < 3; ++i) {
    ASSERT_TRUE(all[i].contains("usage"));
    EXPECT_EQ(all[i]["usage"], nullptr);
  }
  EXPECT_EQ(all[3]["choices"], json::array());
  EXPECT_EQ(all[3]["usage"], json::parse(R"({"prompt_tokens": 2, "completion_tokens": 2, "total_tokens": 4})"));
}

TEST_F(CompletionStreamTest, SeveralTextsSideBySide) {
  CompletionRequest request = stream_of("a");
  request.n = request.best_of = 2;
  start(request);
  EXPECT_TRUE(draw("x", 1));
  EXPECT_TRUE(draw("y", 0));
  EXPECT_TRUE(draw("z", 1));
  end(FinishReason::kLength, 1);
  EXPECT_EQ(exchange_->state(), Exchange::State::kStreaming);
  end(FinishReason::kStop, 0);
  std::string texts[2];
  std::string order;
  for (const json& event : events()) {
    const json& choice = event["choices"][0];
    const size_t index = choice["index"];
    texts[index] += choice["text"].get<std::string>();
    order += std::to_string(index);
    if (choice["finish_reason"].is_string()) texts[index] += "|" + choice["finish_reason"].get<std::string>();
  }
  EXPECT_EQ(texts[0], "y|stop");
  EXPECT_EQ(texts[1], "xz|length");
  EXPECT_EQ(order, "10110");
}

TEST_F(CompletionStreamTest, AFailureOnTheWayIsAnEvent) {
  CompletionRequest request = stream_of("a");
  request.n = request.best_of = 2;
  start(request);
  EXPECT_TRUE(draw("x", 0));
  end(FinishReason::kFailed, 1, std::make_exception_ptr(bad_input("no logit is finite")));
  EXPECT_FALSE(draw("y", 0));
  end(FinishReason::kStop, 0);
  const std::vector<json> all = events();
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0]["choices"][0]["text"], "x");
  EXPECT_EQ(all[1]["error"]["message"], "no logit is finite");
}

TEST_F(CompletionStreamTest, AFailureBeforeTheFirstEventIsAnAnswer) {
  start(stream_of("a"));
  end(FinishReason::kInterrupted);
  const std::string whole = answer();
  EXPECT_NE(whole.find(" 503 "), std::string::npos);
  EXPECT_EQ(json::parse(test::body_of(whole))["error"]["code"], "interrupted");
}

}  // namespace
}  // namespace spectra::server
