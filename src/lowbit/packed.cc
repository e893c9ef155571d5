// SPDX-License-Identifier: Apache-2.0
#include "lowbit/packed.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "base/error.h"

namespace spectra::lowbit {
namespace {

constexpr int64_t kTritColumns = 20;

struct FormatFacts {
  const char* name;
  int64_t columns, planes;  // of a group
  int offset, step;         // code = u * step - offset
};
constexpr FormatFacts kFacts[kFormats] = {{"tern2-v2", 16, 1, 1, 1}, {"tern1.6-v2", kTritColumns, 1, 1, 1},
                                          {"bin1-v2", 32, 1, 1, 2},  {"int3-v1", 32, 3, 4, 1},
                                          {"int4-v1", 8, 1, 8, 1},   {"int6-v1", 16, 3, 32, 1},
                                          {"int8-v1", 4, 1, 128, 1}};
const FormatFacts& facts(Format format) { return kFacts[static_cast<size_t>(format)]; }

/// u of a tile's 16 rows in one group of columns.
using Group = std::array<std::array<unsigned, kLargestGroup>, kTileRows>;

/// A plane of bits [from, from + bits) of u, of columns [first, first + 32 / bits) of the group.
void write_plane(const Group& group, int64_t first, int from, int bits, uint8_t* plane) {
  std::memset(plane, 0, kPlaneBytes);
  for (int64_t r = 0; r < kTileRows; ++r)
    for (int64_t c = 0; c < 32 / bits; ++c) {
      const unsigned u = group[static_cast<size_t>(r)][static_cast<size_t>(first + c)] >> from & ((1u << bits) - 1);
      uint8_t& byte = plane[4 * r + c % 4];
      byte = static_cast<uint8_t>(byte | u << (c / 4 * bits));
    }
}
/// u's bits at row r, column c of a plane.
unsigned read_plane(const uint8_t* plane, int64_t r, int64_t c, int bits) {
  return static_cast<unsigned>(plane[4 * r + c % 4]) >> (c / 4 * bits) & ((1u << bits) - 1);
}

void write_trits(const Group& group, uint8_t* bytes) {
  for (size_t r = 0; r < kTileRows; ++r)
    for (size_t j = 0; j < 4; ++j) {
      unsigned number = 0;
      for (size_t f = 5; f-- > 0;) number = number * 3 + group[r][4 * f + j];
      bytes[4 * r + j] = static_cast<uint8_t>(number);
    }
}
unsigned read_trit(const uint8_t* bytes, int64_t r, int64_t c) {
  static constexpr unsigned kPowers[5] = {1, 3, 9, 27, 81};
  return bytes[4 * r + c % 4] / kPowers[c / 4] % 3;
}

/// What a format's group is made of, in order: calls plane(first column, lowest bit, bits, byte offset).
template <class Plane>
void for_planes(Format format, Plane plane) {
  switch (format) {
    case Format::kTern2:
      return plane(0, 0, 2, 0);
    case Format::kBin1:
      return plane(0, 0, 1, 0);
    case Format::kInt3:
      plane(0, 0, 2, 0), plane(16, 0, 2, kPlaneBytes);
      return plane(0, 2, 1, 2 * kPlaneBytes);
    case Format::kInt4:
      return plane(0, 0, 4, 0);
    case Format::kInt6:
      plane(0, 0, 4, 0), plane(8, 0, 4, kPlaneBytes);
      return plane(0, 4, 2, 2 * kPlaneBytes);
    case Format::kInt8:
      return plane(0, 0, 8, 0);
    case Format::kTern1_6:
      SPECTRA_CHECK(false, "trits are not planes");
  }
}
void write_group(Format format, const Group& group, uint8_t* bytes) {
  if (format == Format::kTern1_6) return write_trits(group, bytes);
  for_planes(format, [&](int64_t first, int from, int bits, int64_t at) { write_plane(group, first, from, bits, bytes + at); });
}
/// u of row r, column c of a group.
unsigned read_group(Format format, const uint8_t* bytes, int64_t r, int64_t c) {
  const uint8_t* high = bytes + 2 * kPlaneBytes;
  switch (format) {
    case Format::kTern2:
      return read_plane(bytes, r, c, 2);
    case Format::kTern1_6:
      return read_trit(bytes, r, c);
    case Format::kBin1:
      return read_plane(bytes, r, c, 1);
    case Format::kInt3:
      return read_plane(bytes + c / 16 * kPlaneBytes, r, c % 16, 2) | read_plane(high, r, c, 1) << 2;
    case Format::kInt4:
      return read_plane(bytes, r, c, 4);
    case Format::kInt6:
      return read_plane(bytes + c / 8 * kPlaneBytes, r, c % 8, 4) | read_plane(high, r, c, 2) << 4;
    case Format::kInt8:
      return bytes[4 * r + c];
  }
  SPECTRA_CHECK(false, "format {}", static_cast<int>(format));
}

unsigned padding(Format format) { return format == Format::kBin1 ? 0 : static_cast<unsigned>(facts(format).offset); }

/// Calls body(first column, columns, byte offset) for the groups of a tile, in order.
template <class Body>
void for_groups(const Layout& layout, Body body) {
  const int64_t width = group_columns(layout.format);
  int64_t at = 0;
  for (size_t s = 0; s + 1 < layout.segments.size(); ++s)
    for (int64_t c = layout.segments[s]; c < layout.segments[s + 1]; c += width, at += group_bytes(layout.format))
      body(c, std::min(width, layout.segments[s + 1] - c), at);
}

int64_t rows_of(const Layout& layout, int64_t tile) { return std::min(kTileRows, layout.rows - tile * kTileRows); }

}  // namespace

const char* shard_axis_name(ShardAxis axis) { return axis == ShardAxis::kRows ? "rows" : "columns"; }
const char* format_name(Format format) { return facts(format).name; }

Format format_from_name(const std::string& name) {
  if (name == "tern2-v2" || name == "2bit") return Format::kTern2;
  if (name == "tern1.6-v2" || name == "1.6bit") return Format::kTern1_6;
  if (name == "bin1-v2" || name == "1bit") return Format::kBin1;
  const bool old = name == "tern2-v1" || name == "tern1.6-v1" || name == "bin1-v1";
  throw bad_input(fmt::format("{} packed format \"{}\"", old ? "outdated" : "unknown", name),
                  old ? "pack the unpacked model again: the layout before the first release is no longer read"
                      : "known are tern2-v2 (2bit), tern1.6-v2 (1.6bit) and bin1-v2 (1bit)");
}

int64_t group_columns(Format format) { return facts(format).columns; }
int64_t group_bytes(Format format) { return facts(format).planes * kPlaneBytes; }
int code_offset(Format format) { return facts(format).offset; }
int code_step(Format format) { return facts(format).step; }

int64_t Layout::tile_bytes() const {
  int64_t groups = 0;
  const int64_t width = group_columns(format);
  for (size_t s = 0; s + 1 < segments.size(); ++s) groups += (segments[s + 1] - segments[s] + width - 1) / width;
  return groups * group_bytes(format);
}

Layout make_layout(Format format, int64_t rows, int64_t cols, ShardAxis axis, const std::vector<int64_t>& bounds) {
  return {format, rows, cols, axis == ShardAxis::kColumns ? bounds : std::vector<int64_t>{0, cols}};
}

void pack_tile(const Layout& layout, int64_t tile, const int8_t* codes, uint8_t* packed) {
  const int64_t rows = rows_of(layout, tile);
  const FormatFacts& f = facts(layout.format);
  for_groups(layout, [&](int64_t first, int64_t columns, int64_t at) {
    Group group;
    for (auto& row : group) row.fill(padding(layout.format));
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t c = 0; c < columns; ++c)
        group[static_cast<size_t>(r)][static_cast<size_t>(c)] =
            static_cast<unsigned>((codes[r * layout.cols + first + c] + f.offset) / f.step);
    write_group(layout.format, group, packed + at);
  });
}

void unpack_row(const Layout& layout, int64_t row, const uint8_t* packed, int8_t* codes) {
  const FormatFacts& f = facts(layout.format);
  for_groups(layout, [&](int64_t first, int64_t columns, int64_t at) {
    for (int64_t c = 0; c < columns; ++c)
      codes[first + c] =
          static_cast<int8_t>(static_cast<int>(read_group(layout.format, packed + at, row % kTileRows, c)) * f.step - f.offset);
  });
}

void unpack_tile(const Layout& layout, int64_t tile, const uint8_t* packed, int8_t* codes) {
  for (int64_t r = 0; r < rows_of(layout, tile); ++r) unpack_row(layout, r, packed, codes + r * layout.cols);
}

bool valid_tile(const Layout& layout, int64_t tile, const uint8_t* packed) {
  const int64_t rows = rows_of(layout, tile);
  const unsigned pad = padding(layout.format);
  bool valid = true;
  for_groups(layout, [&](int64_t, int64_t columns, int64_t at) {
    const uint8_t* bytes = packed + at;
    if (layout.format == Format::kTern2)
      for (int64_t b = 0; b < kPlaneBytes; ++b) valid = valid && (bytes[b] & (bytes[b] >> 1) & 0x55) == 0;  // no pair of bits is 3
    if (layout.format == Format::kTern1_6)
      for (int64_t b = 0; b < kPlaneBytes; ++b) valid = valid && bytes[b] < 243;
    if (rows == kTileRows && columns == group_columns(layout.format)) return;
    for (int64_t r = 0; r < kTileRows; ++r)
      for (int64_t c = r < rows ? columns : 0; c < group_columns(layout.format); ++c)
        valid = valid && read_group(layout.format, bytes, r, c) == pad;
  });
  return valid;
}

}  // namespace spectra::lowbit
