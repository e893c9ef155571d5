// SPDX-License-Identifier: Apache-2.0
#include "server/exchange.h"

#include <microhttpd.h>

#include <utility>

namespace spectra::server {

bool Exchange::may_follow(State from, State to) {
  switch (to) {
    case State::kReceiving:
      return false;
    case State::kOpen:
      return from == State::kReceiving;
    case State::kStreaming:
    case State::kReplied:
      return from == State::kOpen;
    case State::kStreamed:
      return from == State::kStreaming;
    case State::kGone:
      return from != State::kGone;
  }
  return false;
}

Exchange::State Exchange::state() const {
  const std::lock_guard lock(mutex_);
  return state_;
}

/// Changes the state where that is allowed, and says whether it was. The caller holds the lock.
bool Exchange::enter(State next) {
  if (!may_follow(state_, next)) return false;
  state_ = next;
  return true;
}

/// Lets libmicrohttpd forget the connection until wake(). True the first time. The caller holds the lock.
bool Exchange::suspend() {
  MHD_suspend_connection(connection_);
  return std::exchange(wait_, Wait::kSuspended) == Wait::kNever;
}

/// Lets libmicrohttpd look after the connection again. The caller holds the lock.
void Exchange::wake() {
  if (wait_ != Wait::kSuspended) return;
  wait_ = Wait::kOver;
  MHD_resume_connection(connection_);
}

void Exchange::reply(int status, std::string body, Headers headers) {
  const std::lock_guard lock(mutex_);
  if (!enter(State::kReplied)) return;
  status_ = status;
  headers_ = std::move(headers);
  pending_ = std::move(body);
  wake();
}

void Exchange::begin(Headers headers) {
  const std::lock_guard lock(mutex_);
  if (!enter(State::kStreaming)) return;
  status_ = MHD_HTTP_OK;
  headers_ = std::move(headers);
  wake();
}

void Exchange::write(std::string_view piece) {
  if (append(piece)) leave();
}

/// Adds to the answer. True where the client leaves too much of it unread.
bool Exchange::append(std::string_view piece) {
  const std::lock_guard lock(mutex_);
  if (state_ != State::kStreaming) return false;
  pending_.append(piece);
  if (pending_.size() - taken_ > most_unread_) return true;
  wake();
  return false;
}

void Exchange::end() {
  const std::lock_guard lock(mutex_);
  if (enter(State::kStreamed)) wake();
}

void Exchange::on_disconnect(std::function<void()> call) {
  {
    const std::lock_guard lock(mutex_);
    if (state_ != State::kGone) {
      left_ = std::move(call);
      return;
    }
  }
  call();
}

/// Called when the client left, and when the answer was sent.
void Exchange::leave() {
  std::function<void()> call;
  {
    const std::lock_guard lock(mutex_);
    if (state_ == State::kStreamed || state_ == State::kReplied) left_ = nullptr;
    call = std::exchange(left_, nullptr);
    enter(State::kGone);
    std::string().swap(pending_);
    taken_ = 0;
    wake();
  }
  if (call) call();
}

}  // namespace spectra::server
