// SPDX-License-Identifier: Apache-2.0
#include "lowbit/packed.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <set>
#include <vector>

#include "base/error.h"
#include "base/half.h"
#include "base/rng.h"
#include "lowbit/integer_tile.h"

namespace spectra::lowbit {
namespace {

constexpr Format kAll[] = {Format::kTern2, Format::kTern1_6, Format::kBin1, Format::kInt3,
                           Format::kInt4,  Format::kInt6,    Format::kInt8};

int8_t random_code(Format format, Rng& rng) {
  const int offset = code_offset(format);
  if (format == Format::kBin1) return static_cast<int8_t>(static_cast<int>(rng.below(2)) * 2 - 1);
  const auto values = offset == 1 ? uint64_t{3} : static_cast<uint64_t>(2 * offset);
  return static_cast<int8_t>(static_cast<int>(rng.below(values)) - offset);
}

std::vector<int8_t> random_codes(const Layout& layout, Rng& rng) {
  std::vector<int8_t> codes(static_cast<size_t>(layout.rows * layout.cols));
  for (int8_t& code : codes) code = random_code(layout.format, rng);
  return codes;
}

TEST(PackedTile, RoundTripsAtEveryShapeAndSegmentation) {
  Rng rng(1);
  for (const Format format : kAll)
    for (int64_t cols = 1; cols <= 130; ++cols) {
      Layout layout{format, static_cast<int64_t>(1 + rng.below(35)), cols, {0}};
      for (int64_t at = 1 + static_cast<int64_t>(rng.below(50)); at < cols; at += 1 + static_cast<int64_t>(rng.below(50)))
        layout.segments.push_back(at);
      layout.segments.push_back(cols);
      const std::vector<int8_t> codes = random_codes(layout, rng);
      std::vector<int8_t> back(codes.size()), row(static_cast<size_t>(cols));
      std::vector<uint8_t> packed(static_cast<size_t>(layout.tile_bytes()));
      for (int64_t tile = 0; tile < layout.tiles(); ++tile) {
        pack_tile(layout, tile, codes.data() + tile * kTileRows * cols, packed.data());
        EXPECT_TRUE(valid_tile(layout, tile, packed.data())) << format_name(format) << " " << cols;
        unpack_tile(layout, tile, packed.data(), back.data() + tile * kTileRows * cols);
        unpack_row(layout, tile * kTileRows, packed.data(), row.data());
        EXPECT_TRUE(std::equal(row.begin(), row.end(), codes.begin() + tile * kTileRows * cols));
      }
      ASSERT_EQ(back, codes) << format_name(format) << " " << cols;
    }
}

TEST(PackedTile, IntegerTilesArePackedAlikeFromUnsignedNumbers) {
  Rng rng(2);
  for (const int bits : {3, 4, 6, 8})
    for (int64_t cols = 1; cols <= 130; ++cols) {
      Layout layout{integer_format(bits), static_cast<int64_t>(1 + rng.below(35)), cols, {0}};
      if (cols > 1 && rng.below(2) == 0)
        layout.segments.push_back(1 + static_cast<int64_t>(rng.below(static_cast<uint64_t>(cols - 1))));
      layout.segments.push_back(cols);
      const std::vector<int8_t> codes = random_codes(layout, rng);
      std::vector<uint8_t> u;
      for (const int8_t code : codes) u.push_back(static_cast<uint8_t>(code + (1 << (bits - 1))));
      std::vector<uint8_t> wanted(static_cast<size_t>(layout.tile_bytes())), found(wanted.size());
      for (int64_t tile = 0; tile < layout.tiles(); ++tile) {
        pack_tile(layout, tile, codes.data() + tile * kTileRows * cols, wanted.data());
        pack_integer_tile(layout, tile, u.data() + tile * kTileRows * cols, found.data());
        ASSERT_EQ(found, wanted) << bits << " bits, " << cols;
      }
    }
}

/// One tile whose codes are 0 (binary: -1) but for those given as {row, column, code}.
std::vector<uint8_t> tile_with(const Layout& layout, const std::vector<std::array<int64_t, 3>>& codes) {
  std::vector<int8_t> all(static_cast<size_t>(kTileRows * layout.cols), layout.format == Format::kBin1 ? -1 : 0);
  for (const auto& one : codes) all[static_cast<size_t>(one[0] * layout.cols + one[1])] = static_cast<int8_t>(one[2]);
  std::vector<uint8_t> packed(static_cast<size_t>(layout.tile_bytes()));
  pack_tile(layout, 0, all.data(), packed.data());
  return packed;
}

// The bytes written out by hand from the specification in packed.h.
TEST(PackedTile, BytesAreTheOnesOfTheSpecification) {
  // Row 3, columns 2, 6, 10, 14 share byte 4 * 3 + 2.
  std::vector<uint8_t> packed = tile_with({Format::kTern2, 16, 16, {0, 16}}, {{3, 2, 1}, {3, 6, -1}, {3, 14, 1}});
  EXPECT_EQ(packed.size(), 64u);
  EXPECT_EQ(packed[14], 2 | 0 << 2 | 1 << 4 | 2 << 6);
  EXPECT_EQ(packed[0], 0b01010101);
  packed = tile_with({Format::kTern1_6, 16, 20, {0, 20}}, {{3, 2, 1}, {3, 6, -1}, {3, 14, 1}, {3, 18, -1}});
  EXPECT_EQ(packed[14], 2 + 3 * 0 + 9 * 1 + 27 * 2 + 81 * 0);
  EXPECT_EQ(packed[0], 1 + 3 + 9 + 27 + 81);
  packed = tile_with({Format::kBin1, 16, 32, {0, 32}}, {{3, 2, 1}, {3, 30, 1}});
  EXPECT_EQ(packed[14], 0b10000001);
  EXPECT_EQ(packed[0], 0);
  packed = tile_with({Format::kInt3, 16, 32, {0, 32}}, {{3, 2, 3}, {3, 18, -4}});  // u = 7 and 0, others 4
  EXPECT_EQ(packed.size(), 192u);
  EXPECT_EQ(packed[14], 0b00000011);        // low bits of columns 2, 6, 10, 14
  EXPECT_EQ(packed[64 + 14], 0);            // of columns 18, 22, 26, 30
  EXPECT_EQ(packed[128 + 14], 0b11101111);  // bit 2 of columns 2, 6, ..., 30: column 18 is the fifth
  packed = tile_with({Format::kInt4, 16, 8, {0, 8}}, {{3, 2, 7}, {3, 6, -8}});
  EXPECT_EQ(packed[14], 0x0f);
  EXPECT_EQ(packed[0], 0x88);
  packed = tile_with({Format::kInt6, 16, 16, {0, 16}}, {{3, 2, 31}, {3, 14, -31}});  // u = 63 and 1, others 32
  EXPECT_EQ(packed[14], 0x0f);                                                       // low bits of columns 2, 6
  EXPECT_EQ(packed[64 + 14], 0x10);                                                  // of columns 10, 14
  EXPECT_EQ(packed[128 + 14], 3 | 2 << 2 | 2 << 4 | 0 << 6);
  packed = tile_with({Format::kInt8, 16, 4, {0, 4}}, {{3, 2, 127}});
  EXPECT_EQ(packed[14], 255);
  EXPECT_EQ(packed[0], 128);
}

TEST(PackedTile, SegmentsBeginNewGroupsAndTilesAreFilledUp) {
  const Layout layout{Format::kTern2, 17, 20, {0, 3, 20}};
  EXPECT_EQ(layout.tiles(), 2);
  EXPECT_EQ(layout.tile_bytes(), 3 * 64);  // 3 columns; 16; 1
  EXPECT_EQ(make_layout(Format::kTern2, 17, 20, ShardAxis::kColumns, {0, 3, 20}).segments, layout.segments);
  EXPECT_EQ(make_layout(Format::kTern2, 17, 20, ShardAxis::kRows, {0, 3, 17}).segments, (std::vector<int64_t>{0, 20}));
  std::vector<int8_t> codes(20, 1);  // the only row of the second tile
  std::vector<uint8_t> packed(3 * 64);
  pack_tile(layout, 1, codes.data(), packed.data());
  EXPECT_EQ(packed[0], 2 | 1 << 2 | 1 << 4 | 1 << 6);  // column 0; the rest of the group is filled up
  EXPECT_EQ(packed[3], 0b01010101);
  EXPECT_EQ(packed[64], 0b10101010);   // columns 3, 7, 11, 15
  EXPECT_EQ(packed[128], 0b01010110);  // column 19
  EXPECT_EQ(packed[4], 0b01010101);    // row 17 does not exist
}

TEST(PackedTile, All243BytesAreDistinctAndTheOther13AreFound) {
  const Layout layout{Format::kTern1_6, 16, 20, {0, 20}};
  std::set<uint8_t> seen;
  for (int64_t number = 0; number < 243; ++number) {
    std::vector<std::array<int64_t, 3>> codes;
    for (int64_t digit = 0, rest = number; digit < 5; ++digit, rest /= 3) codes.push_back({0, 4 * digit, rest % 3 - 1});
    seen.insert(tile_with(layout, codes)[0]);
  }
  EXPECT_EQ(seen.size(), 243u);
  std::vector<uint8_t> packed = tile_with(layout, {});
  for (int b = 0; b < 256; ++b) {
    packed[5] = static_cast<uint8_t>(b);
    EXPECT_EQ(valid_tile(layout, 0, packed.data()), seen.count(static_cast<uint8_t>(b)) == 1) << b;
  }
}

TEST(PackedTile, DamageIsFound) {
  const Layout whole{Format::kTern2, 16, 16, {0, 16}};
  std::vector<uint8_t> packed = tile_with(whole, {});
  packed[3] = 0b01011101;  // u = 3
  EXPECT_FALSE(valid_tile(whole, 0, packed.data()));
  packed = tile_with(whole, {{9, 13, 1}});
  EXPECT_TRUE(valid_tile(whole, 0, packed.data()));
  EXPECT_FALSE(valid_tile({Format::kTern2, 16, 13, {0, 13}}, 0, packed.data())) << "column 13 is filled up";
  EXPECT_FALSE(valid_tile({Format::kTern2, 9, 16, {0, 16}}, 0, packed.data())) << "row 9 is filled up";
  EXPECT_TRUE(valid_tile({Format::kTern2, 10, 14, {0, 14}}, 0, packed.data()));
}

TEST(Format, NamesAndSizes) {
  for (const Format format : {Format::kTern2, Format::kTern1_6, Format::kBin1})
    EXPECT_EQ(format_from_name(format_name(format)), format);
  EXPECT_EQ(format_from_name("1.6bit"), Format::kTern1_6);
  EXPECT_THROW(format_from_name("3bit"), Error);
  EXPECT_THROW(format_from_name("tern2-v1"), Error);
  const std::vector<double> bits = {4, 3.2, 2, 6, 8, 12, 16};  // of two weights
  for (size_t i = 0; i < bits.size(); ++i) {
    const Layout layout{kAll[i], 16, 480, {0, 480}};
    EXPECT_DOUBLE_EQ(static_cast<double>(layout.bytes()) * 8, bits[i] / 2 * 16 * 480) << format_name(kAll[i]);
  }
}

}  // namespace
}  // namespace spectra::lowbit
