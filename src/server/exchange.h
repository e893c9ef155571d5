// SPDX-License-Identifier: Apache-2.0
#pragma once
// One HTTP request and its answer. The thread of the sockets brings the request and takes the answer away, any other thread makes
// the answer, and the thread that watches clients may end it at any time.
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

struct MHD_Connection;

namespace spectra::server {

struct HttpRequest {
  std::string method, path;    ///< path without the query
  std::string authorization;   ///< header; "" = none
  std::string origin;          ///< header; "" = none
  std::string host;            ///< header
  std::string wanted_headers;  ///< header Access-Control-Request-Headers; "" = none
  std::string body;            ///< until the handler returns
};

using Headers = std::map<std::string, std::string>;

/// Answered from any thread, at any time: reply(), or begin() and then any number of write() and one end(). Calls that do not fit
/// the state, as all do after the client left, do nothing.
class Exchange {
 public:
  enum class State : uint8_t {
    kReceiving,  ///< the request is not complete
    kOpen,       ///< the handler has the request, and nothing is answered
    kStreaming,  ///< begin() was called: the answer comes in pieces
    kStreamed,   ///< end() was called: all pieces are there
    kReplied,    ///< reply() was called: the whole answer is there
    kGone        ///< the client left, or has the answer: nothing more can be said
  };
  /// Whether an exchange may change from one state to another.
  static bool may_follow(State from, State to);

  const HttpRequest& request() const { return request_; }
  State state() const;

  void reply(int status, std::string body, Headers headers);
  /// Begins an answer of unknown length with status 200.
  void begin(Headers headers);
  void write(std::string_view piece);
  void end();

  /// `call` is made once, from another thread, when the client leaves before the answer is complete; at once where it has left
  /// already.
  void on_disconnect(std::function<void()> call);

 private:
  friend class HttpServer;

  /// What becomes of the bytes of the request's body.
  enum class Body : uint8_t {
    kKept,
    kUnwanted,  ///< the handler does not need them
    kNoRoom     ///< other requests take all the memory that there is for bodies
  };
  /// Whether libmicrohttpd looks after the connection.
  enum class Wait : uint8_t {
    kNever,      ///< it always has, so that the watcher does not know the connection yet
    kSuspended,  ///< it does not until wake() is called
    kOver        ///< it does so again
  };

  bool enter(State next);
  bool append(std::string_view piece);
  bool suspend();
  void wake();
  void leave();

  // Set before any other thread knows the exchange.
  HttpRequest request_;
  MHD_Connection* connection_ = nullptr;
  size_t most_unread_ = 0;  // bytes of the answer

  // Only the thread of the sockets uses these.
  Body body_ = Body::kKept;
  size_t received_ = 0;                                            // bytes of the body
  std::optional<std::chrono::steady_clock::time_point> complete_;  // the time when the request was

  mutable std::mutex mutex_;  // guards what follows
  State state_ = State::kReceiving;
  Wait wait_ = Wait::kNever;
  int status_ = 0;  // 0 until the answer begins; then neither the status nor the headers change
  Headers headers_;
  std::string pending_;         // the part of the answer's body that libmicrohttpd has not taken
  size_t taken_ = 0;            // bytes at the beginning of pending_ that it has taken nevertheless
  std::function<void()> left_;  // what on_disconnect() was given
};

}  // namespace spectra::server
