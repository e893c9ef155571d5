// SPDX-License-Identifier: Apache-2.0
#pragma once
// What libmicrohttpd does not see: a client that closes its end while its answer is being made or after half a request (its epoll
// is edge-triggered: no event follows where the end came with the data), and one that sends a byte now and then for ever.
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <thread>

namespace spectra::server {

class Watcher {
 public:
  using Call = std::function<void()>;

  /// `request_time`: how long a connection may take to send a request.
  explicit Watcher(std::chrono::milliseconds request_time);
  ~Watcher();
  Watcher(const Watcher&) = delete;
  Watcher& operator=(const Watcher&) = delete;

  /// A connection waits for a request from now on.
  void reading(int socket);
  /// The request of a connection is complete: there is no time limit until reading() is called again.
  void answering(int socket);
  /// Calls `left`, by the watcher's thread, when the client of a connection that is being answered closes its end.
  void watch(int socket, Call left);
  /// The socket is about to be closed, and its number may soon mean another connection.
  void closed(int socket);
  /// Makes the calls of all watched connections, as if their clients had left.
  void leave_all();

 private:
  struct Connection {
    std::chrono::steady_clock::time_point deadline;  // for the last byte of its request; max() = none
    Call left;
    uint32_t watch = 0;  // counts arm(): an event with an earlier number is stale
    bool ended = false;  // the client sends no more
  };
  void arm(int socket, Connection& connection);
  void happened(uint64_t event);
  void run();
  void drop_slow();

  const std::chrono::milliseconds request_time_;
  std::mutex mutex_;
  std::map<int, Connection> connections_;
  uint32_t watches_ = 0;
  int epoll_, wake_;
  std::thread thread_;
};

}  // namespace spectra::server
