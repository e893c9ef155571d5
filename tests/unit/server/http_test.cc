// SPDX-License-Identifier: Apache-2.0
#include "server/http.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "http_client.h"

namespace spectra::server {
namespace {

using test::body_of;
using test::Client;

std::string request(const std::string& path) { return "GET " + path + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"; }
void ignore(const HttpRequest&, int, double) {}

TEST(Http, AnswersFromOtherThreads) {
  std::vector<std::thread> threads;
  {
    HttpServer server("127.0.0.1", 0, {});
    server.start(
        [&](std::shared_ptr<Exchange> e) {
          threads.emplace_back([e] {
            std::this_thread::sleep_for(std::chrono::milliseconds(20));
            e->reply(200, "for " + e->request().path, {{"Content-Type", "text/plain"}});
          });
        },
        ignore);
    EXPECT_EQ(body_of(Client(server.port(), request("/a")).read()), "for /a");
    EXPECT_EQ(body_of(Client(server.port(), request("/b?c=d")).read()), "for /b");
  }
  for (std::thread& t : threads) t.join();
}

TEST(Http, StreamsInPieces) {
  std::thread writer;
  HttpServer server("127.0.0.1", 0, {});
  server.start(
      [&](std::shared_ptr<Exchange> e) {
        e->begin({{"Content-Type", "text/plain"}});
        writer = std::thread([e] {
          for (int i = 0; i < 100; ++i) {
            if (i % 10 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
            e->write("piece ");
          }
          e->end();
        });
      },
      ignore);
  const std::string answer = Client(server.port(), request("/")).read();
  writer.join();
  size_t pieces = 0;
  for (size_t at = 0; (at = answer.find("piece", at)) != std::string::npos; ++at) ++pieces;
  EXPECT_EQ(pieces, 100);
  EXPECT_NE(answer.find("chunked"), std::string::npos);
  EXPECT_TRUE(answer.ends_with("0\r\n\r\n"));
}

TEST(Http, TellsWhenTheClientLeft) {
  std::mutex mutex;
  std::condition_variable changed;
  bool left = false;
  std::atomic<int> status = -1;
  HttpServer server("127.0.0.1", 0, {});
  server.start(
      [&](const std::shared_ptr<Exchange>& e) {
        e->on_disconnect([&] {
          const std::lock_guard lock(mutex);
          left = true;
          changed.notify_all();
        });
      },
      [&](const HttpRequest&, int s, double) { status = s; });
  { const Client client(server.port(), request("/")); }
  std::unique_lock lock(mutex);
  EXPECT_TRUE(changed.wait_for(lock, std::chrono::seconds(30), [&] { return left; }));
  for (int i = 0; i < 3000 && status < 0; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
  EXPECT_EQ(status, 0);
}

TEST(Http, EndsWithAnswersUnderWay) {
  std::vector<std::shared_ptr<Exchange>> open;
  std::mutex mutex;
  std::atomic<int> count = 0;
  auto server = std::make_unique<HttpServer>("127.0.0.1", 0, HttpLimits());
  server->start(
      [&](std::shared_ptr<Exchange> e) {
        if (e->request().path == "/stream") e->begin({});
        const std::lock_guard lock(mutex);
        open.push_back(std::move(e));
        ++count;
      },
      ignore);
  const Client a(server->port(), request("/")), b(server->port(), request("/stream"));
  while (count < 2) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  server.reset();
  a.read();
  b.read();
  for (const auto& e : open) e->write("nobody hears it");
}

TEST(Http, ClientsWaitUntilItStarts) {
  HttpServer server("127.0.0.1", 0, {});
  const Client early(server.port(), request("/"));
  server.start([](const std::shared_ptr<Exchange>& e) { e->reply(200, "now", {}); }, ignore);
  EXPECT_EQ(body_of(early.read()), "now");
}

TEST(Http, HalfARequestAndItsEndAreClosedSoon) {
  std::atomic<int> status = -1;
  HttpServer server("127.0.0.1", 0, {.request_time = std::chrono::seconds(600), .idle_time = std::chrono::seconds(600)});
  server.start([](const std::shared_ptr<Exchange>& e) { e->reply(200, "whole", {}); },
               [&](const HttpRequest&, int s, double) { status = s; });
  for (const char* part : {"", "GET / HT", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nhalf"}) {
    const Client half(server.port(), part);
    half.end();
    EXPECT_EQ(half.read(), "");  // or this test never ends
  }
  EXPECT_EQ(status, 0);  // a body that was cut
  const Client whole(server.port(), request("/"));
  whole.end();
  EXPECT_EQ(body_of(whole.read()), "whole");
}

TEST(Http, ClientsThatDoNotReadAreDropped) {
  std::atomic<bool> left = false;
  std::thread writer;
  HttpServer server("127.0.0.1", 0, {.unread_bytes = 1 << 20});
  server.start(
      [&](const std::shared_ptr<Exchange>& e) {
        e->begin({});
        e->on_disconnect([&] { left = true; });
        writer = std::thread([e, &left] {
          const std::string piece(1 << 16, 'x');
          for (int i = 0; i < 4000 && !left; ++i) e->write(piece);  // 260 MB, more than sockets buffer
        });
      },
      ignore);
  {
    const Client client(server.port(), request("/"));
    while (!left) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  writer.join();
}

TEST(Http, BodiesHaveOneBudgetAndSomeAreNotRead) {
  HttpServer server("127.0.0.1", 0, {.all_body_bytes = 100});
  std::atomic<size_t> seen = 0;
  server.start(
      [&](const std::shared_ptr<Exchange>& e) {
        seen = e->request().body.size();
        e->reply(200, "taken", {});
      },
      ignore, [](const HttpRequest& r) { return r.path != "/unwanted"; });
  const auto post = [&](const std::string& path, size_t size) {
    return Client(server.port(), fmt::format("POST {} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{}",
                                             path, size, std::string(size, 'b')))
        .read();
  };
  for (int i = 0; i < 3; ++i) {  // what is answered gives its place back
    EXPECT_EQ(body_of(post("/", 80)), "taken");
    EXPECT_EQ(seen, 80);
    EXPECT_NE(post("/", 101).find(" 503 "), std::string::npos);
  }
  EXPECT_EQ(body_of(post("/unwanted", 5000)), "taken");
  EXPECT_EQ(seen, 0);
}

}  // namespace
}  // namespace spectra::server
