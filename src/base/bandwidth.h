// SPDX-License-Identifier: Apache-2.0
#pragma once
// How fast this machine reads memory: the limit of decoding, which reads every weight once a token.
#include <cstddef>

namespace spectra {

/// Memory to be read, on huge pages where the kernel gives them: otherwise address translation is measured too.
class BandwidthProbe {
 public:
  static constexpr size_t kBytes = size_t{1} << 30;  ///< far more than any cache holds
  /// Throws Error (exit 5) where it does not fit.
  explicit BandwidthProbe(size_t bytes = kBytes);
  ~BandwidthProbe();
  BandwidthProbe(const BandwidthProbe&) = delete;
  BandwidthProbe& operator=(const BandwidthProbe&) = delete;
  /// Bytes per second of the best of three ways to read everything once, on `threads` threads: a plain loop, one that prefetches,
  /// and four streams a thread.
  double measure(int threads) const;

 private:
  size_t bytes_;
  void* memory_;
};

/// The best of three measurements. `threads`: 0 = all cores.
double memory_read_bandwidth(int threads);

}  // namespace spectra
