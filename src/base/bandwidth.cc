// SPDX-License-Identifier: Apache-2.0
#include "base/bandwidth.h"

#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

#include "base/error.h"
#include "base/progress.h"
#include "base/system.h"

namespace spectra {
namespace {

constexpr int kRepeats = 3;

/// One thread's part, on huge pages where the kernel gives them: otherwise address translation is measured too.
class Region {
 public:
  explicit Region(size_t bytes) : bytes_(bytes) {
    data_ = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (data_ == MAP_FAILED) throw io_error("allocate", "memory to measure its bandwidth");
    ::madvise(data_, bytes, MADV_HUGEPAGE);
    std::fill_n(static_cast<uint64_t*>(data_), bytes / 8, uint64_t{1});
  }
  ~Region() { ::munmap(data_, bytes_); }
  Region(const Region&) = delete;
  Region& operator=(const Region&) = delete;

  uint64_t sum() const {
    const auto* p = static_cast<const uint64_t*>(data_);
    uint64_t sums[8] = {};  // independent, so that loads do not wait for additions
    for (size_t i = 0; i + 8 <= bytes_ / 8; i += 8)
      for (size_t k = 0; k < 8; ++k) sums[k] += p[i + k];
    return sums[0] + sums[1] + sums[2] + sums[3] + sums[4] + sums[5] + sums[6] + sums[7];
  }

 private:
  size_t bytes_;
  void* data_;
};

}  // namespace

double memory_read_bandwidth(int threads, size_t bytes) {
  require_memory(bytes, "measuring the memory bandwidth", "close other programs");
  const size_t workers = static_cast<size_t>(threads > 0 ? threads : cpu_count());
  const size_t part = bytes / workers / 64 * 64;
  std::vector<std::unique_ptr<Region>> regions(workers);
  double best = 0;
  std::atomic<uint64_t> total{0};
  for (int repeat = -1; repeat < kRepeats; ++repeat) {  // the first only fills, each thread its own part (NUMA)
    std::atomic<size_t> waiting{workers};
    std::vector<std::thread> pool;
    std::vector<double> begins(workers), ends(workers);
    const Stopwatch time;
    for (size_t w = 0; w < workers; ++w)
      pool.emplace_back([&, w] {
        if (repeat < 0) regions[w] = std::make_unique<Region>(part);
        --waiting;
        while (waiting > 0) std::this_thread::yield();
        begins[w] = time.seconds();
        if (repeat >= 0) total += regions[w]->sum();
        ends[w] = time.seconds();
      });
    for (std::thread& thread : pool) thread.join();
    const double seconds = *std::max_element(ends.begin(), ends.end()) - *std::min_element(begins.begin(), begins.end());
    if (repeat >= 0) best = std::max(best, static_cast<double>(part * workers) / seconds);
  }
  SPECTRA_CHECK(total == kRepeats * workers * (part / 8), "total={}", total.load());
  return best;
}

}  // namespace spectra
