// SPDX-License-Identifier: Apache-2.0
#pragma once
// Plain threads for work outside the numerical pools (reading, tokenizing), and the size of those pools. Training and quantization
// use OpenMP, inference a team (base/team.h). Only the trainer or engine thread enters them: each thread gets a pool of its own.
#include <cstddef>
#include <functional>

namespace spectra {

/// Calls body(i) for i in [0, count) on up to `threads` threads (0 = all cores). The first exception is rethrown.
void parallel_for(size_t count, const std::function<void(size_t)>& body, int threads = 0);

/// Threads that numerical code uses from now on (0 = all cores). Returns the number set.
int set_compute_threads(int threads);
int compute_threads();

/// Threads that numerical code uses when this thread calls it, until the end of the scope.
class ScopedComputeThreads {
 public:
  explicit ScopedComputeThreads(int threads);
  ~ScopedComputeThreads();
  ScopedComputeThreads(const ScopedComputeThreads&) = delete;
  ScopedComputeThreads& operator=(const ScopedComputeThreads&) = delete;

 private:
  int before_, pool_before_;
};

}  // namespace spectra
