// SPDX-License-Identifier: Apache-2.0
#include "eval/python_random.h"

#include <algorithm>
#include <bit>
#include <set>

#include "base/error.h"

namespace spectra::eval {

/// init_by_array() of the reference implementation with a key of one word.
PythonRandom::PythonRandom(uint32_t seed) {
  state_[0] = 19650218u;
  const auto mixed = [&](size_t i) { return state_[i - 1] ^ (state_[i - 1] >> 30); };
  for (uint32_t i = 1; i < kWords; ++i) state_[i] = 1812433253u * mixed(i) + i;
  size_t i = 1;
  const auto advance = [&] {
    if (++i < kWords) return;
    state_[0] = state_[kWords - 1];
    i = 1;
  };
  for (size_t k = 0; k < kWords; ++k, advance()) state_[i] = (state_[i] ^ (mixed(i) * 1664525u)) + seed;
  for (size_t k = 1; k < kWords; ++k, advance()) state_[i] = (state_[i] ^ (mixed(i) * 1566083941u)) - static_cast<uint32_t>(i);
  state_[0] = 0x80000000u;
}

uint32_t PythonRandom::next() {
  if (at_ == kWords) {
    constexpr size_t kMiddle = 397;
    for (size_t i = 0; i < kWords; ++i) {
      const uint32_t y = (state_[i] & 0x80000000u) | (state_[(i + 1) % kWords] & 0x7fffffffu);
      state_[i] = state_[(i + kMiddle) % kWords] ^ (y >> 1) ^ (y & 1 ? 0x9908b0dfu : 0u);
    }
    at_ = 0;
  }
  uint32_t y = state_[at_++];
  y ^= y >> 11;
  y ^= (y << 7) & 0x9d2c5680u;
  y ^= (y << 15) & 0xefc60000u;
  return y ^ (y >> 18);
}

double PythonRandom::uniform() {
  const uint32_t high = next() >> 5, low = next() >> 6;
  return (static_cast<double>(high) * 67108864.0 + static_cast<double>(low)) / 9007199254740992.0;
}

size_t PythonRandom::below(size_t bound) {
  SPECTRA_CHECK(bound > 0 && bound < (size_t{1} << 31), "{}", bound);
  const int bits = static_cast<int>(std::bit_width(bound));
  for (;;)
    if (const size_t drawn = next() >> (32 - bits); drawn < bound) return drawn;
}

/// Python keeps a pool where that takes less memory than the set of what was drawn, and the draws differ.
std::vector<size_t> PythonRandom::sample(size_t count, size_t wanted) {
  SPECTRA_CHECK(wanted <= count, "{} of {}", wanted, count);
  size_t set_size = 21;
  for (size_t slots = 1; wanted > 5; slots *= 4)
    if (slots >= 3 * wanted) {
      set_size += slots;
      break;
    }
  std::vector<size_t> result;
  if (count <= set_size) {
    std::vector<size_t> pool(count);
    for (size_t i = 0; i < count; ++i) pool[i] = i;
    for (size_t i = 0; i < wanted; ++i) {
      const size_t drawn = below(count - i);
      result.push_back(pool[drawn]);
      pool[drawn] = pool[count - i - 1];
    }
    return result;
  }
  std::set<size_t> drawn;
  while (result.size() < wanted)
    if (const size_t index = below(count); drawn.insert(index).second) result.push_back(index);
  return result;
}

}  // namespace spectra::eval
