// SPDX-License-Identifier: Apache-2.0
#include "base/bandwidth.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <vector>

#include "base/error.h"
#include "base/stopwatch.h"
#include "base/system.h"
#include "base/team.h"

namespace spectra {
namespace {

constexpr size_t kAhead = 8192;  // bytes, as the kernels prefetch

/// Sum of the words of `streams` equal parts of [p, p + bytes), read side by side.
template <size_t streams, bool prefetch>
uint64_t sum(const std::byte* p, size_t bytes) {
  const auto* words = reinterpret_cast<const uint64_t*>(p);
  const size_t part = bytes / sizeof(uint64_t) / streams;
  uint64_t sums[8] = {};  // independent, so that loads do not wait for additions
  for (size_t i = 0; i + 8 <= part; i += 8)
    for (size_t s = 0; s < streams; ++s) {
      const uint64_t* at = words + s * part + i;
      if (prefetch) __builtin_prefetch(reinterpret_cast<const std::byte*>(at) + kAhead);
      for (size_t k = 0; k < 8; ++k) sums[k] += at[k];
    }
  return sums[0] + sums[1] + sums[2] + sums[3] + sums[4] + sums[5] + sums[6] + sums[7];
}

}  // namespace

BandwidthProbe::BandwidthProbe(size_t bytes) : bytes_(bytes) {
  require_memory(bytes, "measuring the memory bandwidth", "close other programs");
  memory_ = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory_ == MAP_FAILED) throw io_error("allocate", "memory to measure its bandwidth");
  ::madvise(memory_, bytes, MADV_HUGEPAGE);
  std::memset(memory_, 1, bytes);
}

BandwidthProbe::~BandwidthProbe() { ::munmap(memory_, bytes_); }

double BandwidthProbe::measure(int threads) const {
  using Sum = uint64_t (*)(const std::byte*, size_t);
  double best = 0;
  for (const Sum loop : {Sum(sum<1, false>), Sum(sum<1, true>), Sum(sum<4, false>)}) {
    std::vector<uint64_t> sums(static_cast<size_t>(threads));
    double seconds = 0;
    run_team(threads, [&](Team& team) {
      const Team::Range mine = team.share(static_cast<int64_t>(bytes_), 4096);
      team.barrier();
      const Stopwatch time;
      sums[static_cast<size_t>(team.rank())] =
          loop(static_cast<const std::byte*>(memory_) + mine.begin, static_cast<size_t>(mine.end - mine.begin));
      team.barrier();
      if (team.rank() == 0) seconds = time.seconds();
    });
    SPECTRA_CHECK(std::all_of(sums.begin(), sums.end(), [](uint64_t s) { return s != 0; }));  // or the loops would be left out
    best = std::max(best, static_cast<double>(bytes_) / seconds);
  }
  return best;
}

double memory_read_bandwidth(int threads) {
  const BandwidthProbe probe;
  const int count = threads > 0 ? threads : cpu_count();
  double best = 0;
  for (int repeat = 0; repeat < 3; ++repeat) best = std::max(best, probe.measure(count));
  return best;
}

}  // namespace spectra
