// SPDX-License-Identifier: Apache-2.0
#include "lowbit/words.h"

#include <gtest/gtest.h>

#include <cstring>
#include <vector>

#include "base/rng.h"

namespace spectra::lowbit {
namespace {

std::vector<uint32_t> written(Words order, int bits, const std::vector<uint8_t>& u) {
  std::vector<uint32_t> words(static_cast<size_t>(word_count(order, bits, static_cast<int64_t>(u.size()))));
  write_words(order, bits, u.data(), static_cast<int64_t>(u.size()), words.data());
  return words;
}

// Fields of 3 and 6 bits are digits of octal numbers, so the words can be read off: the last digit is the first number.
TEST(Words, WholeWordsAreTheOnesOfTheSpecification) {
  EXPECT_EQ(written(Words::kWhole, 3, {1, 2, 3, 4, 5, 6, 7, 0, 1, 2, 3, 4}), (std::vector<uint32_t>{02107654321, 043}));
  EXPECT_EQ(written(Words::kWhole, 6, {1, 2, 3, 4, 5, 63}), (std::vector<uint32_t>{0504030201, 077}));
  EXPECT_EQ(written(Words::kWhole, 4, {0, 1, 2, 3, 4, 5, 6, 7, 15}), (std::vector<uint32_t>{0x76543210, 0xf}));
  EXPECT_EQ(written(Words::kWhole, 8, {1, 2, 3, 255, 5}), (std::vector<uint32_t>{0xff030201, 5}));
}

// 32 numbers 0 1 ... 7 0 1 ... of 3 bits in 96. Word 0: ten digits, and the low two bits of number 10 (2 = 010: "10") above them.
// Word 1: the high bit of number 10 (0), ten digits from bit 1 on, the low bit of number 21 (5 = 101: "1") in bit 31. Word 2: the
// high two bits of number 21 ("10"), ten digits from bit 2 on.
TEST(Words, AStreamOfThreeBitsCrossesWords) {
  std::vector<uint8_t> u;
  for (int k = 0; k < 32; ++k) u.push_back(static_cast<uint8_t>(k % 8));
  EXPECT_EQ(written(Words::kStream, 3, u), (std::vector<uint32_t>{01076543210u | 2u << 30, 04321076543u << 1 | 1u << 31,
                                                                  static_cast<uint32_t>(07654321076ull << 2) | 2u}));
  EXPECT_EQ(written(Words::kStream, 3, std::vector<uint8_t>(32, 3)), (std::vector<uint32_t>{0xdb6db6db, 0xb6db6db6, 0x6db6db6d}));
}

TEST(Words, ComeBackAtEveryLengthStrideAndPlace) {
  Rng rng(3);
  for (const Words order : {Words::kWhole, Words::kStream})
    for (int bits = 1; bits <= 8; ++bits)
      for (int64_t count = 0; count < 100; ++count) {
        std::vector<uint8_t> u(static_cast<size_t>(count)), back(u.size());
        for (uint8_t& x : u) x = static_cast<uint8_t>(rng.below(uint64_t{1} << bits));
        const int64_t stride = 1 + static_cast<int64_t>(rng.below(4)), words = word_count(order, bits, count);
        std::vector<uint32_t> packed(static_cast<size_t>(words * stride) + 1, 0x55555555);
        write_words(order, bits, u.data(), count, packed.data(), stride);
        for (size_t i = 0; i < packed.size(); ++i)
          if (static_cast<int64_t>(i) % stride != 0 || static_cast<int64_t>(i) / stride >= words) {
            EXPECT_EQ(packed[i], 0x55555555u);
          }
        std::vector<std::byte> odd(packed.size() * 4 + 1);  // the same words where no word is aligned
        std::memcpy(odd.data() + 1, packed.data(), packed.size() * 4);
        read_words(order, bits, odd.data() + 1, count, back.data(), stride);
        ASSERT_EQ(back, u) << bits << " bits, " << count;
      }
}

}  // namespace
}  // namespace spectra::lowbit
