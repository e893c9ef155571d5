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
  size_t header_bytes = 32 << 10;     ///< memory of a connection for headers
  size_t body_bytes = 8 << 20;        ///< a larger body gets 413, or a closed connection where its length was not announced
  size_t all_body_bytes = 256 << 20;  ///< of all requests being received; one that does not fit gets 503
  size_t unread_bytes = 16 << 20;     ///< of an answer; a client that leaves more unread counts as gone
  unsigned connections = 8192;
  std::chrono::seconds request_time{60};  ///< from the connection, or the last answer, to the last byte of the next request
  std::chrono::seconds idle_time{60};     ///< the longest that sending an answer may stand still
};

class HttpServer {
 public:
  /// Called by the thread of the sockets. It must not hold that thread up, and must not throw.
  using Handler = std::function<void(std::shared_ptr<Exchange>)>;

  /// Called when an answer was sent, or with status 0 when the client left before. `seconds`: since the request was complete; 0
  /// where it never was.
  using Answered = std::function<void(const HttpRequest&, int status, double seconds)>;

  /// Says by the headers of a request whether its body is to be read. Requests of which it is not are passed on without it.
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
  /// Takes no new connections. Those that are open stay open.
  void stop_listening();
  /// Waits until every answer to a request so far has been sent, at most `limit`.
  void flush(std::chrono::milliseconds limit);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace spectra::server
