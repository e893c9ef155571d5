// SPDX-License-Identifier: Apache-2.0
#include "base/team.h"

#include <thread>

#include "base/error.h"

namespace spectra {
namespace {

// About 20 microseconds: longer than any step is uneven; then the core is given to whoever else wants it.
constexpr int kSpins = 1000;

void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

}  // namespace

void Team::barrier() {
  if (state_.size == 1) return;
  const uint32_t round = state_.round.load(std::memory_order_relaxed);
  if (state_.waiting.fetch_add(1, std::memory_order_acq_rel) + 1 == state_.size) {
    state_.waiting.store(0, std::memory_order_relaxed);
    state_.round.store(round + 1, std::memory_order_release);
    return;
  }
  for (int spins = 0; state_.round.load(std::memory_order_acquire) == round;) {
    if (++spins < kSpins)
      pause();
    else
      std::this_thread::yield();
  }
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
