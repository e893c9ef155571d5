// SPDX-License-Identifier: Apache-2.0
#include "lowbit/packed.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <set>
#include <vector>

#include "base/error.h"
#include "base/half.h"
#include "base/rng.h"

namespace spectra::lowbit {
namespace {

constexpr Format kFormats[] = {Format::kTern2, Format::kTern1_6, Format::kBin1};

std::vector<int8_t> random_codes(Format format, int64_t count, Rng& rng) {
  std::vector<int8_t> codes(static_cast<size_t>(count));
  for (int8_t& code : codes)
    code =
        static_cast<int8_t>(format == Format::kBin1 ? static_cast<int>(rng.below(2)) * 2 - 1 : static_cast<int>(rng.below(3)) - 1);
  return codes;
}

TEST(PackedRow, RoundTripsAtEveryLength) {
  Rng rng(1);
  for (const Format format : kFormats) {
    for (int64_t cols = 1; cols <= 400; ++cols) {
      const std::vector<int8_t> codes = random_codes(format, cols, rng);
      std::vector<uint8_t> packed(static_cast<size_t>(row_bytes(format, cols)));
      pack_row(format, codes.data(), cols, packed.data());
      std::vector<int8_t> back(codes.size());
      unpack_row(format, packed.data(), cols, back.data());
      ASSERT_EQ(back, codes) << format_name(format) << " " << cols;
      EXPECT_TRUE(valid_row(format, packed.data(), cols)) << format_name(format) << " " << cols;
    }
  }
}

// The bytes written out by hand from the specification in packed.h.
TEST(PackedRow, BytesAreTheOnesOfTheSpecification) {
  std::vector<int8_t> codes(80, 0);
  codes[0] = 1, codes[16] = -1, codes[48] = 1;  // byte 0: digits 2 0 1 2 of two bits
  std::vector<uint8_t> packed(16);
  pack_row(Format::kTern2, codes.data(), 64, packed.data());
  EXPECT_EQ(packed[0], 2 | 0 << 2 | 1 << 4 | 2 << 6);
  EXPECT_EQ(packed[1], 0b01010101);
  codes[64] = -1;  // byte 0: base-3 digits 2 0 1 2 0 = 177, * 256 / 243 = 186.47
  pack_row(Format::kTern1_6, codes.data(), 80, packed.data());
  EXPECT_EQ(packed[0], 187);
  EXPECT_EQ(packed[1], 128);  // 1 1 1 1 1 = 121, * 256 / 243 = 127.47
  std::vector<int8_t> signs(64, -1);
  signs[0] = signs[9] = signs[63] = 1;
  pack_row(Format::kBin1, signs.data(), 64, packed.data());
  EXPECT_EQ(packed[0], 1);
  EXPECT_EQ(packed[1], 2);
  EXPECT_EQ(packed[7], 128);
}

TEST(PackedRow, All243BytesAreDistinctAndTheOther13AreFound) {
  std::set<uint8_t> seen;
  for (int q = 0; q < 243; ++q) {
    std::vector<int8_t> codes(80, 0);
    for (int digit = 4, rest = q; digit >= 0; --digit, rest /= 3)
      codes[static_cast<size_t>(16 * digit)] = static_cast<int8_t>(rest % 3 - 1);
    std::vector<uint8_t> packed(16);
    pack_row(Format::kTern1_6, codes.data(), 80, packed.data());
    seen.insert(packed[0]);
    std::vector<int8_t> back(80);
    unpack_row(Format::kTern1_6, packed.data(), 80, back.data());
    ASSERT_EQ(back, codes) << q;
  }
  EXPECT_EQ(seen.size(), 243u);
  for (int b = 0; b < 256; ++b) {
    std::vector<uint8_t> packed(16, 128);
    packed[5] = static_cast<uint8_t>(b);
    EXPECT_EQ(valid_row(Format::kTern1_6, packed.data(), 80), seen.count(static_cast<uint8_t>(b)) == 1) << b;
  }
}

TEST(PackedRow, DamageIsFound) {
  std::vector<uint8_t> packed(16, 0b01010101);  // 64 zeros at 2 bits
  EXPECT_TRUE(valid_row(Format::kTern2, packed.data(), 64));
  packed[3] = 0b01011101;  // a code 3
  EXPECT_FALSE(valid_row(Format::kTern2, packed.data(), 64));
  packed[3] = 0b10010101;  // weight 51 is +1: padding when there are 51 columns
  EXPECT_TRUE(valid_row(Format::kTern2, packed.data(), 52));
  EXPECT_FALSE(valid_row(Format::kTern2, packed.data(), 51));
  std::vector<uint8_t> signs(8, 0);
  signs[2] = 1;  // weight 16
  EXPECT_TRUE(valid_row(Format::kBin1, signs.data(), 17));
  EXPECT_FALSE(valid_row(Format::kBin1, signs.data(), 16));
}

TEST(Format, NamesAndSizes) {
  for (const Format format : kFormats) EXPECT_EQ(format_from_name(format_name(format)), format);
  EXPECT_EQ(format_from_name("1.6bit"), Format::kTern1_6);
  EXPECT_THROW(format_from_name("3bit"), Error);
  EXPECT_EQ(row_bytes(Format::kTern2, 256), 64);
  EXPECT_EQ(row_bytes(Format::kTern2, 257), 80);
  EXPECT_EQ(row_bytes(Format::kTern1_6, 320), 64);
  EXPECT_EQ(row_bytes(Format::kBin1, 65), 16);
}

}  // namespace
}  // namespace spectra::lowbit
