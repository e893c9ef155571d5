// SPDX-License-Identifier: Apache-2.0
#include "server/exchange.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "http_client.h"
#include "server/http.h"

namespace spectra::server {
namespace {

using State = Exchange::State;

/// What a client gets from a server whose handler is `handler`, and the status that the server counts (-1: none came).
struct Answer {
  std::string text;
  int status = -1;
};
Answer answer_of(const std::function<void(const std::shared_ptr<Exchange>&)>& handler) {
  Answer answer;
  std::atomic<int> status = -1;
  HttpServer server("127.0.0.1", 0, {});
  server.start(handler, [&](const HttpRequest&, int s, double) { status = s; });
  answer.text = test::Client(server.port(), "GET / HTTP/1.0\r\n\r\n").read();
  for (int i = 0; i < 3000 && status < 0; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
  answer.status = status;
  return answer;
}

TEST(Exchange, StatesFollowEachOther) {
  const State all[] = {State::kReceiving, State::kOpen, State::kStreaming, State::kStreamed, State::kReplied, State::kGone};
  const bool allowed[6][6] = {{false, true, false, false, false, true},     // from kReceiving
                              {false, false, true, false, true, true},      // from kOpen
                              {false, false, false, true, false, true},     // from kStreaming
                              {false, false, false, false, false, true},    // from kStreamed
                              {false, false, false, false, false, true},    // from kReplied
                              {false, false, false, false, false, false}};  // from kGone
  for (size_t from = 0; from < 6; ++from)
    for (size_t to = 0; to < 6; ++to)
      EXPECT_EQ(Exchange::may_follow(all[from], all[to]), allowed[from][to]) << from << " to " << to;
}

TEST(Exchange, IsNotAnsweredBeforeItIsOpen) {
  Exchange exchange;
  EXPECT_EQ(exchange.state(), State::kReceiving);
  exchange.reply(200, "early", {});
  exchange.begin({});
  exchange.write("early");
  exchange.end();
  EXPECT_EQ(exchange.state(), State::kReceiving);
}

TEST(Exchange, TheFirstReplyCounts) {
  const Answer answer = answer_of([](const std::shared_ptr<Exchange>& e) {
    EXPECT_EQ(e->state(), State::kOpen);
    e->write("before it began");
    e->end();
    EXPECT_EQ(e->state(), State::kOpen);
    e->reply(404, "first", {{"X-Which", "1"}});
    EXPECT_EQ(e->state(), State::kReplied);
    e->reply(200, "second", {{"X-Which", "2"}});
    e->begin({});
    e->write("piece");
    e->end();
    EXPECT_EQ(e->state(), State::kReplied);
  });
  EXPECT_EQ(test::body_of(answer.text), "first");
  EXPECT_NE(answer.text.find(" 404 "), std::string::npos);
  EXPECT_NE(answer.text.find("X-Which: 1"), std::string::npos);
  EXPECT_EQ(answer.status, 404);
}

TEST(Exchange, AStreamEndsOnce) {
  const Answer answer = answer_of([](const std::shared_ptr<Exchange>& e) {
    e->begin({{"X-Which", "1"}});
    EXPECT_EQ(e->state(), State::kStreaming);
    e->begin({{"X-Which", "2"}});
    e->reply(404, "a reply", {});
    EXPECT_EQ(e->state(), State::kStreaming);
    e->write("one ");
    e->write("two");
    e->end();
    EXPECT_EQ(e->state(), State::kStreamed);
    e->write("three");
    e->end();
    EXPECT_EQ(e->state(), State::kStreamed);
  });
  EXPECT_EQ(test::body_of(answer.text), "one two");
  EXPECT_NE(answer.text.find("X-Which: 1"), std::string::npos);
  EXPECT_EQ(answer.status, 200);
}

/// Whether the call of on_disconnect() was made by the time that the exchange was gone.
bool told(const std::function<void(const std::shared_ptr<Exchange>&)>& handler, bool client_stays) {
  std::atomic<int> calls = 0;
  std::atomic<int> status = -1;
  std::shared_ptr<Exchange> exchange;
  HttpServer server("127.0.0.1", 0, {});
  server.start(
      [&](const std::shared_ptr<Exchange>& e) {
        exchange = e;
        e->on_disconnect([&] { ++calls; });
        handler(e);
      },
      [&](const HttpRequest&, int s, double) { status = s; });
  {
    const test::Client client(server.port(), "GET / HTTP/1.0\r\n\r\n");
    if (client_stays) client.read();
  }
  for (int i = 0; i < 3000 && (status < 0 || exchange->state() != State::kGone); ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  EXPECT_EQ(exchange->state(), State::kGone);
  EXPECT_LE(calls, 1);
  bool late = false;
  exchange->on_disconnect([&] { late = true; });  // it is gone: at once
  EXPECT_TRUE(late);
  exchange->reply(200, "nobody hears it", {});
  EXPECT_EQ(exchange->state(), State::kGone);
  return calls == 1;
}

TEST(Exchange, OnlyAClientThatMissesSomethingHasLeft) {
  EXPECT_FALSE(told([](const std::shared_ptr<Exchange>& e) { e->reply(200, "whole", {}); }, true));
  EXPECT_FALSE(told(
      [](const std::shared_ptr<Exchange>& e) {
        e->begin({});
        e->end();
      },
      true));
  EXPECT_TRUE(told([](const std::shared_ptr<Exchange>&) {}, false));
  EXPECT_TRUE(told([](const std::shared_ptr<Exchange>& e) { e->begin({}); }, false));
}

}  // namespace
}  // namespace spectra::server
