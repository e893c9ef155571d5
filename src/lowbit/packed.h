// SPDX-License-Identifier: Apache-2.0
#pragma once
// What a low-bit weight matrix is, and the packed layouts that hold one without loss.
//
// A matrix (rows, cols) = (out, in) is codes times a scale per shard. Codes are -1, 0, +1 (ternary) or -1, +1 (binary).
// Model-parallel training cut the matrix into S shards, along rows or columns, each with its own scale; boundaries are stored, so
// any matrix shape and any boundaries are exact. Quantized matrices (int3 ... int8) have a scale per row and group of columns.
//
// Packed layouts. Columns are cut into segments: the shards or groups along the columns, or one segment of all columns. A segment
// is cut into groups of columns, rows into tiles of 16. Order in memory: tiles; in a tile segments; in a segment groups of the
// format's size; nothing but codes is stored. The last group of a segment and the last tile are filled up with code 0 (binary: -1),
// which readers ignore. A code is stored as the unsigned number u below.
//
// A plane of b bits: 64 bytes hold 16 rows x 32/b columns. Bits [b f, b f + b) of byte 4 r + j belong to row r, column 4 f + j. So
// a register of 64 bytes, shifted and masked, has four neighbouring columns of a row in each 32-bit lane: what dot-product
// instructions of all vendors want, and sums of 16 rows come out side by side. Registers of 32 or 16 bytes do 8 or 4 rows.
//
//   format      bits  group of columns, bytes     u
//   tern2-v2    2     16 in 64                    code + 1, a plane of 2 bits
//   tern1.6-v2  1.6   20 in 64                    code + 1; byte 4 r + j is the base-3 number whose digit f (f = 0 least
//   significant)
//                                                 is u of row r, column 4 f + j: at most 242
//   bin1-v2     1     32 in 64                    (code + 1) / 2, a plane of 1 bit
//   int3-v1     3     32 in 192                   code + 4: the low 2 bits in two planes of 16 columns, then bit 2 in a plane of 1
//   bit int4-v1     4     8 in 64                     code + 8, a plane of 4 bits int6-v1     6     16 in 192 code + 32: the low 4
//   bits in two planes of 8 columns, then bits 4-5 in a plane of 2 int8-v1     8     4 in 64                     code + 128, a
//   plane of 8 bits
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "lowbit/format.h"

namespace spectra::lowbit {

enum class ShardAxis : uint8_t { kRows, kColumns };
const char* shard_axis_name(ShardAxis axis);  ///< "rows", "columns"

const char* format_name(Format format);  ///< "tern2-v2", "tern1.6-v2", "bin1-v2", "int3-v1", ...
/// Of ternary and binary formats: accepts the stored names and the command line's "2bit", "1.6bit", "1bit". Throws Error listing
/// them.
Format format_from_name(const std::string& name);
int64_t group_columns(Format format);  ///< 16, 20, 32, 32, 8, 16, 4
int64_t group_bytes(Format format);    ///< 64 or 192
int code_offset(Format format);        ///< code = u * code_step - code_offset: 1, 1, 1, 4, 8, 32, 128
int code_step(Format format);          ///< 1, binary 2

/// Where the codes of one matrix lie.
struct Layout {
  Format format = Format::kTern2;
  int64_t rows = 0, cols = 0;
  std::vector<int64_t> segments;  ///< boundaries, ascending, from 0 to cols

  int64_t tiles() const { return (rows + kTileRows - 1) / kTileRows; }
  int64_t tile_bytes() const;
  int64_t bytes() const { return tiles() * tile_bytes(); }
};
/// Of a matrix whose shards have boundaries `bounds` along `axis`.
Layout make_layout(Format format, int64_t rows, int64_t cols, ShardAxis axis, const std::vector<int64_t>& bounds);
/// Packs / unpacks one tile; scalar, the specification in code. `codes`: (min(16, rows left), cols) of the tile's rows, contiguous;
/// `packed` holds tile_bytes(). Unpacking a last, partial tile writes only the rows that exist.
void pack_tile(const Layout& layout, int64_t tile, const int8_t* codes, uint8_t* packed);
void unpack_tile(const Layout& layout, int64_t tile, const uint8_t* packed, int8_t* codes);
/// One row (cols) of a tile: `row` of the matrix or of the tile; `packed`: the tile.
void unpack_row(const Layout& layout, int64_t row, const uint8_t* packed, int8_t* codes);
/// False when the tile is not one that pack_tile can write (1.6 bits: 13 invalid bytes; 2 bits: u = 3; padding): damaged file.
bool valid_tile(const Layout& layout, int64_t tile, const uint8_t* packed);

/// A low-bit matrix in the clear.
struct Codes {
  int64_t rows = 0, cols = 0;
  ShardAxis axis = ShardAxis::kRows;
  std::vector<int64_t> bounds;  ///< S + 1, ascending, from 0 to rows or cols
  std::vector<float> scales;    ///< S, each exactly representable in the source's type
  std::vector<int8_t> codes;    ///< rows * cols
  int64_t negative_zeros = 0;   ///< -0.0 in the source, kept as code 0: equal in value and in every product, +0.0 when expanded
};

/// Recovers codes, scales and shard boundaries from an unpacked matrix (rows, cols), exactly: a weight is 0 or ±scale of its shard,
/// and expand() gives back its bits, but for the sign of zeros (which quantizers that multiply a rounded -0.3 by the scale leave
/// behind). `axis`, `shards`: what training used. When they do not describe `w`, the other axis and then boundaries at the changes
/// of scale are tried (foreign models), up to 64 shards. A shard of zeros gets scale 0. Throws Error (exit 3) naming `name`, and
/// for a matrix that is not low-bit its first offending weight and why. `binary`: zeros are not allowed.
Codes find_codes(const float* w, int64_t rows, int64_t cols, ShardAxis axis, int64_t shards, bool binary, const std::string& name);
/// w[r, c] = scale of its shard times code.
void expand(const Codes& codes, float* w);

}  // namespace spectra::lowbit
