// SPDX-License-Identifier: Apache-2.0
#include <chrono>
#include <cstddef>
#include <memory>
#include <thread>
#include <vector>

#include "base/error.h"
#include "base/team.h"

namespace spectra {
namespace {

// Between two calls: longer than sampling a token takes, after which the next forward pass begins.
constexpr std::chrono::microseconds kCallSpin{2000};

/// The other threads of one thread's teams.
class TeamPool {
 public:
  ~TeamPool() { dismiss(); }
  void run(int threads, const std::function<void(Team&)>& body);

 private:
  std::unique_ptr<TeamState> state_;
  const std::function<void(Team&)>* body_ = nullptr;  // null between calls, and in the last one, which ends the threads
  Epoch calls_;
  std::vector<std::thread> others_;

  void hire(int threads);
  void dismiss();
  void serve(int rank, uint32_t call);
};

void TeamPool::run(int threads, const std::function<void(Team&)>& body) {
  SPECTRA_CHECK(body_ == nullptr, "a team calls another one");
  if (others_.size() + 1 != static_cast<size_t>(threads)) hire(threads);
  for (int i = 0; i < threads; ++i) state_->work[static_cast<size_t>(i)].left.store(0, std::memory_order_relaxed);
  body_ = &body;
  calls_.advance();
  Team team(*state_, 0);
  body(team);
  team.barrier();
  body_ = nullptr;
}

void TeamPool::hire(int threads) {
  dismiss();
  state_ = std::make_unique<TeamState>(threads);
  try {
    for (int rank = 1; rank < threads; ++rank) others_.emplace_back([this, rank, call = calls_.now()] { serve(rank, call); });
  } catch (...) {  // the system has no more threads
    dismiss();
    throw;
  }
}

void TeamPool::dismiss() {
  calls_.advance();
  for (std::thread& other : others_) other.join();
  others_.clear();
}

void TeamPool::serve(int rank, uint32_t call) {
  for (;; ++call) {
    calls_.wait(call, Team(*state_, rank).shares_core() ? std::chrono::microseconds{0} : kCallSpin);
    if (body_ == nullptr) return;
    Team team(*state_, rank);
    (*body_)(team);
    team.barrier();
  }
}

}  // namespace

void run_team(int threads, const std::function<void(Team&)>& body) {
  if (threads > 1) {
    thread_local TeamPool pool;
    return pool.run(threads, body);
  }
  TeamState state(1);
  Team team(state, 0);
  body(team);
}

}  // namespace spectra
