// SPDX-License-Identifier: Apache-2.0
#pragma once
// Threads that go through the same code together: one call for a whole forward pass, with barriers between its steps. Calling
// them together for every step costs microseconds each, and a small model has a hundred steps a token.
// They are threads of our own: OpenMP's spin for milliseconds between two parallel regions, whoever else wants the core.
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>

#include "base/epoch.h"

namespace spectra {

/// What the threads of a team share.
struct TeamState {
  explicit TeamState(int threads);
  int size;
  alignas(64) std::atomic<int> waiting{0};
  Epoch round;
  /// The core that each thread was last seen on; -1 = not known. Read by all, written only where it changes.
  std::unique_ptr<std::atomic<int>[]> cores;
  /// What is left of a thread's share of a loop: number of the loop, first chunk, last chunk + 1 (32, 16, 16 bits).
  struct alignas(64) Work {
    std::atomic<uint64_t> left{0};
  };
  std::unique_ptr<Work[]> work;
};

/// One thread's view of its team.
class Team {
 public:
  Team(TeamState& state, int rank) : state_(state), rank_(rank) {}
  int rank() const { return rank_; }
  int size() const { return state_.size; }

  /// Returns when all threads have come here; what they wrote before is seen by all after it.
  void barrier();
  /// Notes the core that this thread is on, and says whether another thread was last seen there.
  bool shares_core() const;

  struct Range {
    int64_t begin, end;
  };
  /// This thread's part of [0, count): one run, cut at multiples of `grain`.
  Range share(int64_t count, int64_t grain = 1) const {
    const int64_t grains = (count + grain - 1) / grain;
    const auto cut = [&](int64_t rank) {
      const int64_t at = grains * rank / state_.size * grain;
      return at < count ? at : count;
    };
    return {cut(rank_), cut(rank_ + 1)};
  }
  /// Cuts [0, count) into chunks of `grain` and calls body(begin, end) for each on some thread: first each thread goes through a
  /// run of chunks of its own, in order, then it takes from the ends of the others' runs, so that all finish together. All threads
  /// call it; a barrier must lie between two calls.
  template <class Body>
  void share_out(int64_t count, int64_t grain, const Body& body) {
    const int64_t chunks = (count + grain - 1) / grain;
    ++loop_;
    touch(chunks);
    for (int i = 0; i < size(); ++i)
      for (int64_t chunk; (chunk = take((rank_ + i) % size(), chunks, i == 0)) >= 0;)
        body(chunk * grain, chunk * grain + grain < count ? chunk * grain + grain : count);
  }

 private:
  TeamState& state_;
  int rank_;
  uint32_t loop_ = 0;

  uint64_t whole_share(int rank, int64_t chunks) const {
    const auto cut = [&](int64_t r) { return static_cast<uint64_t>(chunks * r / state_.size); };
    return uint64_t{loop_} << 32 | cut(rank) << 16 | cut(rank + 1);
  }
  /// Marks this thread's share as one of this loop, unless another thread has done it.
  void touch(int64_t chunks);
  /// The first or the last chunk left of `rank`'s share, -1 = none. A share that still bears the number of an earlier loop is
  /// whole.
  int64_t take(int rank, int64_t chunks, bool first);
};

/// Runs body(team) on `threads` threads: this one, and others that stay for the next call from here. No exception may leave it.
void run_team(int threads, const std::function<void(Team&)>& body);

}  // namespace spectra
