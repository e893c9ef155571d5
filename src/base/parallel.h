// SPDX-License-Identifier: Apache-2.0
#pragma once
// Plain threads for work outside the numerical pool (reading, tokenizing). Numerical code uses OpenMP, and only the
// trainer or engine thread enters it: each thread that opens a parallel region would get a pool of its own.
#include <cstddef>
#include <functional>

namespace spectra {

/// Calls body(i) for i in [0, count) on up to `threads` threads (0 = all cores). The first exception is rethrown.
void parallel_for(size_t count, const std::function<void(size_t)>& body, int threads = 0);

/// Threads of the OpenMP pool for everything that follows (0 = all cores). Returns the number set.
int set_compute_threads(int threads);
int compute_threads();

/// Threads of the OpenMP pool of the calling thread, until the end of the scope.
class ScopedComputeThreads {
 public:
  explicit ScopedComputeThreads(int threads);
  ~ScopedComputeThreads();
  ScopedComputeThreads(const ScopedComputeThreads&) = delete;
  ScopedComputeThreads& operator=(const ScopedComputeThreads&) = delete;

 private:
  int before_;
};

}  // namespace spectra
