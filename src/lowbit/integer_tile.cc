// SPDX-License-Identifier: Apache-2.0
#include "lowbit/integer_tile.h"

#include <algorithm>
#include <cstring>

#include "base/error.h"

namespace spectra::lowbit {
namespace {

/// A row's four bytes of a plane: bits [from, from + bits) of 32 / bits times four columns, all four at once.
template <int from, int bits>
void put(const uint8_t* u, uint8_t* plane, int64_t row) {
  uint32_t word = 0;
  for (int f = 0; f < 8 / bits; ++f) {
    uint32_t four;
    std::memcpy(&four, u + 4 * f, 4);
    word |= (four >> from & ((1u << bits) - 1) * 0x01010101u) << (bits * f);  // what comes over from a neighbour is masked away
  }
  std::memcpy(plane + 4 * row, &word, 4);
}

/// A row of a group of columns; planes as packed.h lists them.
template <Format format>
void put_row(const uint8_t* u, uint8_t* group, int64_t row) {
  if constexpr (format == Format::kInt3) {
    put<0, 2>(u, group, row), put<0, 2>(u + 16, group + kPlaneBytes, row);
    put<2, 1>(u, group + 2 * kPlaneBytes, row);
  } else if constexpr (format == Format::kInt4) {
    put<0, 4>(u, group, row);
  } else if constexpr (format == Format::kInt6) {
    put<0, 4>(u, group, row), put<0, 4>(u + 8, group + kPlaneBytes, row);
    put<4, 2>(u, group + 2 * kPlaneBytes, row);
  } else {
    put<0, 8>(u, group, row);
  }
}

template <Format format>
void pack(const Layout& layout, int64_t tile, const uint8_t* u, uint8_t* packed) {
  const int64_t width = group_columns(format), bytes = group_bytes(format);
  const int64_t rows = std::min(kTileRows, layout.rows - tile * kTileRows);
  const auto zero = static_cast<uint8_t>(code_offset(format));
  uint8_t last[kLargestGroup];
  for (int64_t r = 0; r < kTileRows; ++r) {
    uint8_t* group = packed;
    for (size_t s = 0; s + 1 < layout.segments.size(); ++s)
      for (int64_t c = layout.segments[s]; c < layout.segments[s + 1]; c += width, group += bytes) {
        const int64_t here = r < rows ? std::min(width, layout.segments[s + 1] - c) : 0;
        const uint8_t* from = u + r * layout.cols + c;
        if (here < width) {
          std::fill(std::copy_n(from, here, last), last + width, zero);
          from = last;
        }
        put_row<format>(from, group, r);
      }
  }
}

}  // namespace

Format integer_format(int bits) {
  switch (bits) {
    case 3:
      return Format::kInt3;
    case 4:
      return Format::kInt4;
    case 6:
      return Format::kInt6;
    case 8:
      return Format::kInt8;
    default:
      SPECTRA_CHECK(false, "bits={}", bits);
  }
}

void pack_integer_tile(const Layout& layout, int64_t tile, const uint8_t* u, uint8_t* packed) {
  switch (layout.format) {
    case Format::kInt3:
      return pack<Format::kInt3>(layout, tile, u, packed);
    case Format::kInt4:
      return pack<Format::kInt4>(layout, tile, u, packed);
    case Format::kInt6:
      return pack<Format::kInt6>(layout, tile, u, packed);
    case Format::kInt8:
      return pack<Format::kInt8>(layout, tile, u, packed);
    default:
      SPECTRA_CHECK(false, "{}", format_name(layout.format));
  }
}

}  // namespace spectra::lowbit
