// SPDX-License-Identifier: Apache-2.0
#pragma once
// Python's random.Random, number for number: the harness draws examples, shuffles and resamples with it.
#include <array>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace spectra::eval {

/// MT19937 (Matsumoto and Nishimura 1998) seeded as random.seed(integer) does.
class PythonRandom {
 public:
  explicit PythonRandom(uint32_t seed);
  /// random(): 53 bits, in [0, 1).
  double uniform();
  /// One index of random.choices(range(count)).
  size_t choice(size_t count) { return static_cast<size_t>(uniform() * static_cast<double>(count)); }
  /// Indices that random.sample(range(count), wanted) gives; wanted <= count.
  std::vector<size_t> sample(size_t count, size_t wanted);
  /// shuffle()
  template <class T>
  void shuffle(std::vector<T>& items) {
    for (size_t i = items.size(); i-- > 1;) std::swap(items[i], items[below(i + 1)]);
  }

 private:
  static constexpr size_t kWords = 624;
  uint32_t next();
  /// _randbelow(): draws of as many bits as `bound` has, until one is below it.
  size_t below(size_t bound);

  std::array<uint32_t, kWords> state_{};
  size_t at_ = kWords;
};

}  // namespace spectra::eval
