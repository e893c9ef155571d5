// SPDX-License-Identifier: Apache-2.0
#include "base/team.h"

#include <sched.h>

#include <chrono>

#include "base/error.h"

namespace spectra {

// Longer than any step is uneven: whoever has not come by then has evidently lost its core.
constexpr std::chrono::microseconds kStepSpin{50};

TeamState::TeamState(int threads)
    : size(threads), cores(new std::atomic<int>[static_cast<size_t>(threads)]), work(new Work[static_cast<size_t>(threads)]) {
  for (int i = 0; i < threads; ++i) cores[static_cast<size_t>(i)] = -1;
}

bool Team::shares_core() const {
  const int core = ::sched_getcpu();
  std::atomic<int>& noted = state_.cores[static_cast<size_t>(rank_)];
  if (noted.load(std::memory_order_relaxed) != core) noted.store(core, std::memory_order_relaxed);
  bool shared = false;
  for (int i = 0; i < state_.size; ++i)
    shared |= i != rank_ && state_.cores[static_cast<size_t>(i)].load(std::memory_order_relaxed) == core;
  return shared && core >= 0;
}

void Team::barrier() {
  if (state_.size == 1) return;
  const uint32_t round = state_.round.now();
  const bool shared = shares_core();
  if (state_.waiting.fetch_add(1, std::memory_order_acq_rel) + 1 == state_.size) {
    state_.waiting.store(0, std::memory_order_relaxed);
    state_.round.advance();
    return;
  }
  // Others that need this thread's own core to come here would wait for the end of a spin.
  state_.round.wait(round, shared ? std::chrono::microseconds{0} : kStepSpin);
}

void Team::touch(int64_t chunks) {
  SPECTRA_CHECK(chunks <= 0xffff, "{} chunks", chunks);
  std::atomic<uint64_t>& left = state_.work[static_cast<size_t>(rank_)].left;
  uint64_t seen = left.load(std::memory_order_relaxed);
  while (seen >> 32 != loop_ && !left.compare_exchange_weak(seen, whole_share(rank_, chunks), std::memory_order_relaxed)) {
  }
}

int64_t Team::take(int rank, int64_t chunks, bool first) {
  std::atomic<uint64_t>& left = state_.work[static_cast<size_t>(rank)].left;
  uint64_t seen = left.load(std::memory_order_relaxed);
  for (;;) {
    const uint64_t now = seen >> 32 == loop_ ? seen : whole_share(rank, chunks);
    const uint64_t begin = now >> 16 & 0xffff, end = now & 0xffff;
    if (begin == end) return -1;
    const uint64_t next = first ? now + 0x10000 : now - 1;
    if (left.compare_exchange_weak(seen, next, std::memory_order_relaxed)) return static_cast<int64_t>(first ? begin : end - 1);
  }
}

}  // namespace spectra
