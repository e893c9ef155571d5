// SPDX-License-Identifier: Apache-2.0
#include "lowbit/words.h"

#include <algorithm>
#include <cstring>

#include "base/error.h"

namespace spectra::lowbit {
namespace {

uint32_t load(const std::byte* words, int64_t index) {
  uint32_t word;
  std::memcpy(&word, words + 4 * index, 4);
  return word;
}

template <int bits>
void read_whole(const std::byte* words, int64_t count, uint8_t* u, int64_t stride) {
  constexpr int kInWord = 32 / bits;
  const int64_t full = count / kInWord;
  for (int64_t w = 0; w < full; ++w, u += kInWord) {
    const uint32_t word = load(words, w * stride);
    for (int f = 0; f < kInWord; ++f) u[f] = static_cast<uint8_t>(word >> (bits * f) & ((1u << bits) - 1));
  }
  if (full * kInWord == count) return;
  const uint32_t word = load(words, full * stride);
  for (int f = 0; f < count - full * kInWord; ++f) u[f] = static_cast<uint8_t>(word >> (bits * f) & ((1u << bits) - 1));
}

template <int bits>
void read_stream(const std::byte* words, int64_t count, uint8_t* u, int64_t stride) {
  for (int64_t k = 0; k < count; ++k) {
    const int64_t word = k * bits / 32;
    const int shift = static_cast<int>(k * bits % 32);
    uint32_t value = load(words, word * stride) >> shift;
    if (shift + bits > 32) value |= load(words, (word + 1) * stride) << (32 - shift);
    u[k] = static_cast<uint8_t>(value & ((1u << bits) - 1));
  }
}

template <int bits>
void read(Words order, const std::byte* words, int64_t count, uint8_t* u, int64_t stride) {
  if (order == Words::kWhole || 32 % bits == 0) return read_whole<bits>(words, count, u, stride);
  read_stream<bits>(words, count, u, stride);
}

}  // namespace

int64_t word_count(Words order, int bits, int64_t count) {
  SPECTRA_CHECK(bits >= 1 && bits <= 8, "bits={}", bits);
  return order == Words::kWhole ? (count + 32 / bits - 1) / (32 / bits) : (count * bits + 31) / 32;
}

void write_words(Words order, int bits, const uint8_t* u, int64_t count, uint32_t* words, int64_t stride) {
  for (int64_t w = 0; w < word_count(order, bits, count); ++w) words[w * stride] = 0;
  for (int64_t k = 0; k < count; ++k) {
    const int64_t in_word = 32 / bits, at = order == Words::kWhole ? k / in_word * 32 + k % in_word * bits : k * bits;
    const int shift = static_cast<int>(at % 32);
    words[at / 32 * stride] |= static_cast<uint32_t>(u[k]) << shift;
    if (shift + bits > 32) words[(at / 32 + 1) * stride] |= static_cast<uint32_t>(u[k]) >> (32 - shift);
  }
}

void read_words(Words order, int bits, const std::byte* words, int64_t count, uint8_t* u, int64_t stride) {
  switch (bits) {
    case 1:
      return read<1>(order, words, count, u, stride);
    case 2:
      return read<2>(order, words, count, u, stride);
    case 3:
      return read<3>(order, words, count, u, stride);
    case 4:
      return read<4>(order, words, count, u, stride);
    case 5:
      return read<5>(order, words, count, u, stride);
    case 6:
      return read<6>(order, words, count, u, stride);
    case 7:
      return read<7>(order, words, count, u, stride);
    case 8:
      return read<8>(order, words, count, u, stride);
    default:
      SPECTRA_CHECK(false, "bits={}", bits);
  }
}

}  // namespace spectra::lowbit
