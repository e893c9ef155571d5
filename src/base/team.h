// SPDX-License-Identifier: Apache-2.0
#pragma once
// Threads that go through the same code together: one parallel region for a whole forward pass, with barriers between its steps.
// Opening a region for every step costs microseconds each, and a small model has a hundred steps a token.
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>

#ifdef _OPENMP
#include <omp.h>
#endif

namespace spectra {

/// What the threads of a team share.
struct TeamState {
  explicit TeamState(int most) : size(most), work(new Work[static_cast<size_t>(most)]) {}
  int size;
  alignas(64) std::atomic<int> waiting{0};
  alignas(64) std::atomic<uint32_t> round{0};
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

/// Runs body(team) on `threads` threads of the OpenMP pool, or on this one where there is none. No exception may leave it.
template <class Body>
void run_team(int threads, const Body& body) {
#ifdef _OPENMP
  if (threads > 1) {
    TeamState state(threads);
#pragma omp parallel num_threads(threads)
    {
#pragma omp single
      state.size = omp_get_num_threads();  // may be fewer than asked for, and barriers wait for all of them
      Team team(state, omp_get_thread_num());
      body(team);
    }
    return;
  }
#endif
  static_cast<void>(threads);
  TeamState state(1);
  Team team(state, 0);
  body(team);
}

}  // namespace spectra
