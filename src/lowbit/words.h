// SPDX-License-Identifier: Apache-2.0
#pragma once
// Numbers of 1 to 8 bits in the 32-bit words that other tools keep quantized weights in (docs/formats.md).
#include <cstddef>
#include <cstdint>

namespace spectra::lowbit {

/// How numbers of b bits follow each other; the first is in the lowest bits of the first word.
enum class Words : uint8_t {
  kWhole,   ///< 32 / b numbers (rounded down) in a word, the bits left over are 0: compressed-tensors
  kStream,  ///< number k in bits [b k, b k + b) of all words together, little endian, so that some lie in two words: GPTQ
};

/// Words that `count` numbers take.
int64_t word_count(Words order, int bits, int64_t count);
/// Writes `count` numbers u < 2^bits to words that are `stride` words apart; bits behind the last number are 0.
void write_words(Words order, int bits, const uint8_t* u, int64_t count, uint32_t* words, int64_t stride = 1);
/// The inverse. `words` is little endian and need not be aligned: it may be a mapped file.
void read_words(Words order, int bits, const std::byte* words, int64_t count, uint8_t* u, int64_t stride = 1);

}  // namespace spectra::lowbit
