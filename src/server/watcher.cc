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
  event.data.fd = wake_;
  ::epoll_ctl(epoll_, EPOLL_CTL_ADD, wake_, &event);
  thread_ = std::thread([this] { run(); });
}

Watcher::~Watcher() {
  ::eventfd_write(wake_, 1);
  thread_.join();
  ::close(epoll_);
  ::close(wake_);
}

void Watcher::reading(int socket) {
  const std::lock_guard lock(mutex_);
  Connection& c = connections_[socket];
  c.deadline = Clock::now() + request_time_;
  if (!c.left) return;
  c.left = nullptr;
  ::epoll_ctl(epoll_, EPOLL_CTL_DEL, socket, nullptr);
}

void Watcher::answering(int socket) {
  const std::lock_guard lock(mutex_);
  connections_[socket].deadline = Clock::time_point::max();
}

void Watcher::watch(int socket, Call left) {
  const std::lock_guard lock(mutex_);
  connections_[socket].left = std::move(left);
  epoll_event event{};
  event.events = EPOLLRDHUP | EPOLLONESHOT;
  event.data.fd = socket;
  ::epoll_ctl(epoll_, EPOLL_CTL_ADD, socket, &event);
}

void Watcher::closed(int socket) {
  const std::lock_guard lock(mutex_);
  const auto found = connections_.find(socket);
  if (found == connections_.end()) return;
  if (found->second.left) ::epoll_ctl(epoll_, EPOLL_CTL_DEL, socket, nullptr);
  connections_.erase(found);
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

/// The socket is not closed before closed() was called, so it is still the one that is meant.
void Watcher::drop_slow() {
  const std::lock_guard lock(mutex_);
  const auto now = Clock::now();
  for (auto& [socket, c] : connections_) {
    if (now < c.deadline) continue;
    ::shutdown(socket, SHUT_RDWR);
    c.deadline = Clock::time_point::max();
  }
}

void Watcher::run() {
  auto swept = Clock::now();
  for (;;) {
    epoll_event events[64];
    const int count = ::epoll_wait(epoll_, events, 64, kSweepMs);
    if (count < 0 && errno != EINTR) return;
    for (int i = 0; i < count; ++i) {
      if (events[i].data.fd == wake_) return;
      Call call;
      {
        const std::lock_guard lock(mutex_);
        const auto found = connections_.find(events[i].data.fd);
        if (found != connections_.end()) call = found->second.left;
      }
      if (call) call();
    }
    if (Clock::now() - swept < std::chrono::milliseconds(kSweepMs)) continue;
    swept = Clock::now();
    drop_slow();
  }
}

}  // namespace spectra::server
