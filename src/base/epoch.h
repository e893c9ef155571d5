// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <atomic>
#include <chrono>
#include <cstdint>

namespace spectra {

/// A number that threads wait for to change. They look at it again and again for a while, which is the quickest where the change is
/// near, and then sleep: a thread that was to change it may have lost its core to another process, and can use theirs.
class Epoch {
 public:
  uint32_t now() const { return number_.load(std::memory_order_acquire); }
  /// Lets the waiting threads go on; they see what this one wrote before. One thread at a time may call it.
  void advance();
  /// Returns when the number is no longer `seen`; sleeps where that takes longer than `spin`.
  void wait(uint32_t seen, std::chrono::microseconds spin);

 private:
  alignas(64) std::atomic<uint32_t> number_{0};
  std::atomic<uint32_t> sleepers_{0};

  bool changes_within(uint32_t seen, std::chrono::microseconds spin) const;
};

}  // namespace spectra
