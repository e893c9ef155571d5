// SPDX-License-Identifier: Apache-2.0
#include "base/parallel.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#ifdef _OPENMP
#include <omp.h>
#endif

#include "base/system.h"

namespace spectra {
namespace {

int pool_size = 0;
thread_local int scoped_size = 0;  // 0 = pool_size

/// OpenMP's pool of this thread. Returns what it was before.
int set_pool([[maybe_unused]] int threads) {
#ifdef _OPENMP
  const int before = omp_get_max_threads();
  omp_set_num_threads(threads);
  return before;
#else
  return 1;
#endif
}

}  // namespace

void parallel_for(size_t count, const std::function<void(size_t)>& body, int threads) {
  const size_t workers = std::min(count, static_cast<size_t>(threads > 0 ? threads : cpu_count()));
  if (workers <= 1) {
    for (size_t i = 0; i < count; ++i) body(i);
    return;
  }
  std::atomic<size_t> next{0};
  std::exception_ptr failure;
  std::mutex mutex;
  const auto work = [&] {
    for (size_t i = next++; i < count; i = next++) {
      try {
        body(i);
      } catch (...) {
        const std::lock_guard lock(mutex);
        if (!failure) failure = std::current_exception();
        next = count;
      }
    }
  };
  std::vector<std::thread> pool;
  for (size_t t = 1; t < workers; ++t) pool.emplace_back(work);
  work();
  for (std::thread& thread : pool) thread.join();
  if (failure) std::rethrow_exception(failure);
}

int set_compute_threads(int threads) {
  pool_size = threads > 0 ? threads : cpu_count();
  set_pool(pool_size);
  return pool_size;
}

int compute_threads() {
  if (scoped_size > 0) return scoped_size;
  return pool_size > 0 ? pool_size : set_compute_threads(0);
}

ScopedComputeThreads::ScopedComputeThreads(int threads)
    : before_(std::exchange(scoped_size, threads)), pool_before_(set_pool(threads)) {}

ScopedComputeThreads::~ScopedComputeThreads() {
  scoped_size = before_;
  set_pool(pool_before_);
}

}  // namespace spectra
