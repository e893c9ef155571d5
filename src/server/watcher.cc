// SPDX-License-Identifier: Apache-2.0
#include "server/watcher.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <utility>
#include <vector>

#include "base/error.h"

namespace spectra::server {
namespace {

using Clock = std::chrono::steady_clock;
constexpr int kSweepMs = 500;

}  // namespace

Watcher::Watcher(std::chrono::milliseconds request_time)
    : request_time_(request_time), epoll_(::epoll_create1(EPOLL_CLOEXEC)), wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  if (epoll_ < 0 || wake_ < 0) throw io_error("watch sockets", "epoll");
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = static_cast<uint64_t>(wake_);
  ::epoll_ctl(epoll_, EPOLL_CTL_ADD, wake_, &event);
  thread_ = std::thread([this] { run(); });
}

Watcher::~Watcher() {
  ::eventfd_write(wake_, 1);
  thread_.join();
  ::close(epoll_);
  ::close(wake_);
}

/// Asks for one event when the client ends its sending side, also where it has done so already.
void Watcher::arm(int socket, Connection& connection) {
  epoll_event event{};
  event.events = EPOLLRDHUP | EPOLLONESHOT;
  const bool added = std::exchange(connection.watch, ++watches_) != 0;
  event.data.u64 = uint64_t{connection.watch} << 32 | static_cast<uint32_t>(socket);
  ::epoll_ctl(epoll_, added ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, socket, &event);
}

void Watcher::reading(int socket) {
  const std::lock_guard lock(mutex_);
  Connection& c = connections_[socket];
  c.deadline = Clock::now() + request_time_;
  c.left = nullptr;
  c.ended = false;
  arm(socket, c);
}

void Watcher::answering(int socket) {
  const std::lock_guard lock(mutex_);
  connections_[socket].deadline = Clock::time_point::max();
}

void Watcher::watch(int socket, Call left) {
  const std::lock_guard lock(mutex_);
  Connection& c = connections_[socket];
  c.left = std::move(left);
  arm(socket, c);
}

void Watcher::closed(int socket) {
  const std::lock_guard lock(mutex_);
  if (connections_.erase(socket) > 0) ::epoll_ctl(epoll_, EPOLL_CTL_DEL, socket, nullptr);
}

void Watcher::leave_all() {
  std::vector<Call> calls;
  {
    const std::lock_guard lock(mutex_);
    for (auto& [socket, c] : connections_)
      if (c.left) calls.push_back(c.left);
  }
  for (const Call& call : calls) call();
}

/// A socket is not closed before closed() was called, so each number here still means the same connection.
void Watcher::drop_slow() {
  const std::lock_guard lock(mutex_);
  const auto now = Clock::now();
  for (auto& [socket, c] : connections_) {
    if (now < c.deadline) continue;
    // Wakes libmicrohttpd, which reads what is there and then the end; an answer can still be sent.
    ::shutdown(socket, c.ended ? SHUT_RD : SHUT_RDWR);
    c.deadline = c.ended ? now : Clock::time_point::max();
  }
}

void Watcher::happened(uint64_t event) {
  Call call;
  {
    const std::lock_guard lock(mutex_);
    const auto found = connections_.find(static_cast<int>(event & 0xffffffff));
    if (found == connections_.end() || found->second.watch != event >> 32) return;
    Connection& c = found->second;
    call = c.left;
    if (!call && c.deadline != Clock::time_point::max()) {
      c.ended = true;
      c.deadline = Clock::now() + std::chrono::milliseconds(kSweepMs);
    }
  }
  if (call) call();
}

void Watcher::run() {
  auto swept = Clock::now();
  for (;;) {
    epoll_event events[64];
    const int count = ::epoll_wait(epoll_, events, 64, kSweepMs);
    if (count < 0 && errno != EINTR) return;
    for (int i = 0; i < count; ++i) {
      if (events[i].data.u64 == static_cast<uint64_t>(wake_)) return;
      happened(events[i].data.u64);
    }
    if (Clock::now() - swept < std::chrono::milliseconds(kSweepMs)) continue;
    swept = Clock::now();
    drop_slow();
  }
}

}  // namespace spectra::server
