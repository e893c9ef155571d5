// SPDX-License-Identifier: Apache-2.0
#pragma once
// Counter-based random numbers: Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC'11).
// A number is a pure function of (seed, stream, index), so results do not depend on threads, order or resumes.
#include <array>
#include <cstdint>

namespace spectra {

/// One Philox4x32-10 block: 128 random bits from a 128-bit counter and a 64-bit key.
std::array<uint32_t, 4> philox(std::array<uint32_t, 4> counter, std::array<uint32_t, 2> key);

/// A sequence of numbers with a name (`stream`) under a seed. Copyable; `at(i)` never changes state.
class Rng {
 public:
  explicit Rng(uint64_t seed, uint64_t stream = 0) : seed_(seed), stream_(stream) {}

  /// 64 random bits number `index` of the stream.
  uint64_t at(uint64_t index) const;
  /// The next 64 bits.
  uint64_t next() { return at(index_++); }
  /// Uniform in [0, 1), 53 bits.
  double uniform() { return uniform_at(index_++); }
  double uniform_at(uint64_t index) const { return static_cast<double>(at(index) >> 11) * 0x1p-53; }
  /// Uniform in [0, bound) without bias, bound > 0.
  uint64_t below(uint64_t bound);
  /// Standard normal number `index` of the stream (Box-Muller on at(index)): stateless.
  double normal_at(uint64_t index) const;

 private:
  uint64_t seed_, stream_, index_ = 0;
};

}  // namespace spectra
