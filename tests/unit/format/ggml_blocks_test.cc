// SPDX-License-Identifier: Apache-2.0
#include "format/ggml_blocks.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "base/error.h"
#include "base/half.h"
#include "base/rng.h"

namespace spectra::format {
namespace {

std::vector<int> bytes_of(GgmlType type, const std::vector<float>& x) {
  std::vector<std::byte> bytes(static_cast<size_t>(ggml_row_bytes(type, static_cast<int64_t>(x.size()))));
  ggml_encode(type, x.data(), static_cast<int64_t>(x.size()), bytes.data());
  std::vector<int> numbers;
  for (const std::byte byte : bytes) numbers.push_back(std::to_integer<int>(byte));
  return numbers;
}

std::vector<float> decoded(GgmlType type, const std::vector<int>& numbers, int64_t count) {
  std::vector<std::byte> bytes;
  for (const int number : numbers) bytes.push_back(static_cast<std::byte>(number));
  std::vector<float> x(static_cast<size_t>(count));
  ggml_decode(type, bytes.data(), count, x.data());
  return x;
}

std::vector<float> round_trip(GgmlType type, const std::vector<float>& x) {
  return decoded(type, bytes_of(type, x), static_cast<int64_t>(x.size()));
}

std::vector<float> random_ternary(int64_t count, float scale, uint64_t seed) {
  Rng rng(seed, 1);
  std::vector<float> x;
  for (int64_t i = 0; i < count; ++i) x.push_back(scale * static_cast<float>(static_cast<int>(rng.below(3)) - 1));
  return x;
}

// Bytes below are worked out by hand from the layouts in the header. fp16: 0.5 = 0x3800, 1 = 0x3c00, 2 = 0x4000.

TEST(GgmlBlocks, Tq2Golden) {
  std::vector<float> x(256, 0.0f);
  x[0] = 0.5f;                                // half 0, byte 0, n 0
  x[32] = -0.5f;                              // half 0, byte 0, n 1
  x[96 + 5] = 0.5f;                           // half 0, byte 5, n 3
  x[128 + 64 + 31] = 0.5f;                    // half 1, byte 63, n 2
  std::vector<int> expected(66, 0b01010101);  // digit 1 = weight 0
  expected[0] = 0b01010010;
  expected[5] = 0b10010101;
  expected[63] = 0b01100101;
  expected[64] = 0x00, expected[65] = 0x38;
  EXPECT_EQ(bytes_of(GgmlType::kTq2_0, x), expected);
  EXPECT_EQ(decoded(GgmlType::kTq2_0, expected, 256), x);
}

TEST(GgmlBlocks, Tq1Golden) {
  std::vector<float> x(256, 0.0f);
  x[0] = 1.0f;               // byte 0, most significant digit: 2*81 + 27 + 9 + 3 + 1 = 202
  x[128] = -1.0f;            // byte 0, least significant digit: 202 - 1 = 201
  x[160 + 16 * 4 + 15] = 1;  // byte 47, last digit: 121 + 1 = 122
  x[240 + 4 * 3 + 2] = 1;    // qh[2], fourth digit, then a 0: (27 + 9 + 3 + 2) * 3 = 123
  // All zeros are the number 81 + 27 + 9 + 3 + 1 = 121 (ceil(121 * 256 / 243) = 128); in qh 120, ceil(126.4) = 127.
  std::vector<int> expected(54, 128);
  for (int j = 48; j < 52; ++j) expected[static_cast<size_t>(j)] = 127;
  expected[0] = 212;   // ceil(201 * 256 / 243) = ceil(211.75)
  expected[47] = 129;  // ceil(122 * 256 / 243) = ceil(128.53)
  expected[50] = 130;  // ceil(123 * 256 / 243) = ceil(129.58)
  expected[52] = 0x00, expected[53] = 0x3c;
  EXPECT_EQ(bytes_of(GgmlType::kTq1_0, x), expected);
  EXPECT_EQ(decoded(GgmlType::kTq1_0, expected, 256), x);
}

TEST(GgmlBlocks, EveryTritByteComesBack) {
  for (int number = 0; number < 243; ++number) {
    std::vector<float> x(256, 1.0f);
    int digits = number;
    for (int n = 4; n >= 0; --n, digits /= 3) {
      x[static_cast<size_t>(7 + 32 * n)] = static_cast<float>(digits % 3 - 1);
      x[static_cast<size_t>(160 + 9 + 16 * n)] = static_cast<float>(digits % 3 - 1);
      if (n < 4) x[static_cast<size_t>(240 + 3 + 4 * n)] = static_cast<float>(digits % 3 - 1);
    }
    EXPECT_EQ(round_trip(GgmlType::kTq1_0, x), x) << number;
    EXPECT_EQ(bytes_of(GgmlType::kTq1_0, x)[7], (number * 256 + 242) / 243);
  }
}

TEST(GgmlBlocks, Q8Golden) {
  std::vector<float> x(32, 0.0f);
  x[0] = 127.0f, x[1] = -2.5f, x[2] = 2.5f, x[31] = -127.0f;  // d = 1; halves round away from 0
  std::vector<int> expected(34, 0);
  expected[1] = 0x3c, expected[2] = 127, expected[3] = 256 - 3, expected[4] = 3, expected[33] = 256 - 127;
  EXPECT_EQ(bytes_of(GgmlType::kQ8_0, x), expected);
  x[1] = -3, x[2] = 3;
  EXPECT_EQ(decoded(GgmlType::kQ8_0, expected, 32), x);
}

TEST(GgmlBlocks, Q4Golden) {
  std::vector<float> x(32, 0.0f);
  x[0] = -16.0f, x[1] = 14.0f, x[16] = 2.0f, x[17] = -3.0f,
  x[31] = 16.0f;  // d = 2: nibbles 0, 15, 9, floor(-1.5 + 8.5) = 7, 16 -> 15
  std::vector<int> expected(18, 0x88);
  expected[0] = 0x00, expected[1] = 0x40;
  expected[2] = 0x90, expected[3] = 0x7f, expected[17] = 0xf8;
  EXPECT_EQ(bytes_of(GgmlType::kQ4_0, x), expected);
  x[17] = -2.0f, x[31] = 14.0f;
  EXPECT_EQ(decoded(GgmlType::kQ4_0, expected, 32), x);
}

TEST(GgmlBlocks, Q6Golden) {
  // Decoding: d = 0.5; scale 3 for values 32..47 (scale 2), -2 for 208..223 (scale 13), else 1; q = 32 (value 0) everywhere but
  // two.
  std::vector<int> block(210, 0);
  for (size_t i = 0; i < 64; ++i) block[128 + i] = 0b10101010;  // high bits 2 = 32
  for (size_t i = 0; i < 16; ++i) block[192 + i] = 1;
  block[194] = 3, block[205] = 254;
  block[209] = 0x38;
  block[32 + 1] = 0x05;                       // half 0, k 1, l 1: low nibble 5, value 33 = 0.5 * 3 * 5
  block[64 + 16] |= 0x0f << 4;                // half 1, k 2, l 16: high nibble 15, value 128 + 64 + 16 = 208 ...
  block[128 + 32 + 16] = 0b10111010 & ~0x20;  // ... with high bits 01 at shift 4: 31 - 32 = -1
  const std::vector<float> x = decoded(GgmlType::kQ6_K, block, 256);
  for (size_t i = 0; i < 256; ++i) EXPECT_EQ(x[i], i == 33 ? 7.5f : i == 208 ? 1.0f : 0.0f) << i;
}

TEST(GgmlBlocks, Q6StepsAreHeldExactly) {
  // Every 16 values reach -32, so the scale of each is the step itself; d is the largest of them / 128.
  std::vector<float> x;
  Rng rng(5, 1);
  for (int j = 0; j < 16; ++j)
    for (int i = 0; i < 16; ++i) {
      const float step = j == 3 ? 128.0f : static_cast<float>(1 + j * 7);
      x.push_back(step * (i == 2 ? -32.0f : static_cast<float>(static_cast<int>(rng.below(64)) - 32)));
    }
  EXPECT_EQ(round_trip(GgmlType::kQ6_K, x), x);
}

TEST(GgmlBlocks, RoundingStaysWithinItsBounds) {
  Rng rng(7, 1);
  std::vector<float> x;
  for (uint64_t i = 0; i < 256 * 20; ++i) x.push_back(static_cast<float>(0.02 * rng.normal_at(i)));
  // As shares of the largest weight: half a step, one at the end where the codes have no counterpart (Q4_0 has -8 but not 8, Q6_K
  // -32 but not 32), and the rounding of d to fp16.
  const struct {
    GgmlType type;
    int64_t block;
    float error;
  } cases[] = {{GgmlType::kQ8_0, 32, 1 / 254.0f + 1 / 2048.0f},
               {GgmlType::kQ4_0, 32, 1 / 8.0f + 1 / 2048.0f},
               {GgmlType::kQ6_K, 256, 1 / 32.0f + 1 / 256.0f}};
  for (const auto& c : cases) {
    const std::vector<float> back = round_trip(c.type, x);
    for (size_t begin = 0; begin < x.size(); begin += static_cast<size_t>(c.block)) {
      float top = 0, error = 0;
      for (size_t i = begin; i < begin + static_cast<size_t>(c.block); ++i)
        top = std::max(top, std::fabs(x[i])), error = std::max(error, std::fabs(x[i] - back[i]));
      EXPECT_LE(error, top * c.error) << ggml_type(c.type).name;
      EXPECT_GT(error, 0);
    }
  }
}

TEST(GgmlBlocks, TernaryBlocksAreExactInEveryType) {
  for (const GgmlType type :
       {GgmlType::kF32, GgmlType::kF16, GgmlType::kQ8_0, GgmlType::kQ4_0, GgmlType::kQ6_K, GgmlType::kTq1_0, GgmlType::kTq2_0})
    for (const float scale : {0.0123f, 0.9f, 1.0f, 127.0f, 6e-8f}) {
      const std::vector<float> x = random_ternary(1024, round_to_fp16(scale), 3);
      EXPECT_EQ(round_trip(type, x), x) << ggml_type(type).name << " " << scale;
    }
}

TEST(GgmlBlocks, TwoScalesInABlockAreNotExact) {
  std::vector<float> x = random_ternary(256, 0.5f, 3);
  for (size_t i = 128; i < 256; ++i) x[i] *= 1.5f;
  EXPECT_NE(round_trip(GgmlType::kTq2_0, x), x);
  EXPECT_NE(round_trip(GgmlType::kTq1_0, x), x);
  EXPECT_EQ(round_trip(GgmlType::kQ8_0, x), x);  // 128 is a multiple of 32
}

TEST(GgmlBlocks, ZerosAndTinyValuesAreZeroBlocks) {
  for (const GgmlType type : {GgmlType::kQ8_0, GgmlType::kQ4_0, GgmlType::kQ6_K, GgmlType::kTq1_0, GgmlType::kTq2_0}) {
    std::vector<float> x(256, 0.0f);
    EXPECT_EQ(round_trip(type, x), x);
    x[3] = 1e-39f, x[4] = -1e-38f;
    for (const float value : round_trip(type, x)) EXPECT_EQ(value, 0.0f);
  }
}

TEST(GgmlBlocks, DecodingTakesAnyBytes) {
  Rng rng(9, 1);
  for (const GgmlType type : {GgmlType::kQ8_0, GgmlType::kQ4_0, GgmlType::kQ6_K, GgmlType::kTq1_0, GgmlType::kTq2_0})
    for (int round = 0; round < 50; ++round) {
      std::vector<int> bytes;
      for (int64_t i = 0; i < ggml_row_bytes(type, 256); ++i) bytes.push_back(static_cast<int>(rng.below(256)));
      EXPECT_EQ(decoded(type, bytes, 256).size(), 256u);
    }
}

TEST(GgmlBlocks, Names) {
  EXPECT_EQ(ggml_type_from_name("tq2_0"), GgmlType::kTq2_0);
  EXPECT_EQ(ggml_type_from_name("bf16"), GgmlType::kBf16);
  EXPECT_THROW(ggml_type_from_name("q4_k"), Error);  // known by size only
  EXPECT_EQ(find_ggml_type(4), nullptr);
  EXPECT_EQ(ggml_row_bytes(GgmlType::kTq1_0, 512), 108);
}

}  // namespace
}  // namespace spectra::format
