// SPDX-License-Identifier: Apache-2.0
#pragma once
// HTTP/1.1 over libmicrohttpd: one thread that waits for all sockets, one that watches for clients that left or are too slow. Knows
// nothing of what is served. libmicrohttpd parses headers within a fixed memory a connection (431 beyond it), answers
// "Expect: 100-continue", and asks for a streamed body only when its socket takes more.
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "server/exchange.h"

namespace spectra::server {

struct HttpLimits {
  size_t header_bytes = 32 << 10;     ///< memory of a connection
  size_t body_bytes = 8 << 20;        ///< larger: 413, or a closed connection where the length was not announced
  size_t all_body_bytes = 256 << 20;  ///< of all requests being received; beyond: 503
  size_t unread_bytes = 16 << 20;     ///< of an answer; a client that leaves more unread counts as gone
  unsigned connections = 8192;
  std::chrono::seconds request_time{60};  ///< from the connection, or the last answer, to the last byte of the next request
  std::chrono::seconds idle_time{60};     ///< without a byte moved while an answer is sent
};

class HttpServer {
 public:
  /// Called by the thread of the sockets, which it must not hold up; must not throw.
  using Handler = std::function<void(std::shared_ptr<Exchange>)>;

  /// Called when an answer was sent, or (status 0) the client left before. `seconds`: since its request was complete; 0 where it
  /// never was.
  using Answered = std::function<void(const HttpRequest&, int status, double seconds)>;

  /// Whether the body of a request is to be read, by its headers; others are passed on without it.
  using WantsBody = std::function<bool(const HttpRequest&)>;

  /// Listens: clients wait until start(). `host`: an address or a name; `port` 0 = any free one. Throws Error where it cannot.
  HttpServer(const std::string& host, int port, const HttpLimits& limits);
  void start(Handler handler, Answered answered, WantsBody wants_body = nullptr);
  /// Closes all connections.
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  int port() const;
  bool loopback() const;  ///< only programs of this machine reach it
  int64_t connections() const;
  /// Takes no new connections; those there are stay.
  void stop_listening();
  /// Waits until every answer to a request so far has been sent, at most `limit`.
  void flush(std::chrono::milliseconds limit);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace spectra::server
