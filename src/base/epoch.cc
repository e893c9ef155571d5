// SPDX-License-Identifier: Apache-2.0
#include "base/epoch.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <climits>

namespace spectra {
namespace {

// A call of the system's own: std::atomic::wait gives the core away several times before it sleeps, and each time comes back only
// when another process has had its turn.
void futex(std::atomic<uint32_t>& word, int operation, uint32_t value) {
  static_assert(sizeof(word) == sizeof(uint32_t) && std::atomic<uint32_t>::is_always_lock_free);
  ::syscall(SYS_futex, &word, operation, value, nullptr, nullptr, 0);
}

void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

}  // namespace

void Epoch::advance() {
  // Both in one order with the two lines before a sleep: either this thread sees the sleeper, or the sleeper sees the new number.
  number_.fetch_add(1, std::memory_order_seq_cst);
  if (sleepers_.load(std::memory_order_seq_cst) > 0) futex(number_, FUTEX_WAKE_PRIVATE, INT_MAX);
}

bool Epoch::changes_within(uint32_t seen, std::chrono::microseconds spin) const {
  constexpr int kLooks = 16;  // for each look at the clock, some 25 ns
  const auto end = std::chrono::steady_clock::now() + spin;
  do {
    for (int i = 0; i < kLooks; ++i, pause())
      if (now() != seen) return true;
  } while (std::chrono::steady_clock::now() < end);
  return false;
}

void Epoch::wait(uint32_t seen, std::chrono::microseconds spin) {
  if (now() != seen || (spin.count() > 0 && changes_within(seen, spin))) return;
  sleepers_.fetch_add(1, std::memory_order_seq_cst);
  while (number_.load(std::memory_order_seq_cst) == seen) futex(number_, FUTEX_WAIT_PRIVATE, seen);
  sleepers_.fetch_sub(1, std::memory_order_relaxed);
}

}  // namespace spectra
