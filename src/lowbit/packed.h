// SPDX-License-Identifier: Apache-2.0
#pragma once
// What a low-bit weight matrix is, and the packed layouts that hold one without loss.
//
// A matrix (rows, cols) = (out, in) is codes times a scale per shard. Codes are -1, 0, +1 (ternary) or -1, +1 (binary).
// Model-parallel training cut the matrix into S shards, along rows or columns, each with its own scale; boundaries are stored, so
// any matrix shape and any boundaries are exact.
//
// Packed layouts: rows follow each other, each padded to whole groups; nothing but codes is stored per group.
//
//   tern2-v1    2 bits a weight. Group of 64 weights in 16 bytes: byte j holds weights j, 16+j, 32+j, 48+j in bits 0-1, 2-3, 4-5,
//   6-7,
//               so that one 16-byte load and three shifts give four runs of 16 neighbours. Stored value = code + 1.
//   tern1.6-v1  8 bits for 5 weights. Group of 80 weights in 16 bytes: byte j holds weights j, 16+j, 32+j, 48+j, 64+j as base-3
//   digits
//               u0..u4 (u = code + 1, u0 the most significant): q = ((((u0*3+u1)*3+u2)*3+u3)*3+u4), stored b = ceil(q*256/243), so
//               that digit n is ((b * 3^n mod 256) * 3) >> 8, without division. 243 of 256 values are valid.
//   bin1-v1     1 bit a weight. Group of 64 weights in 8 bytes: weight i is bit i%8 of byte i/8; 1 = +1, 0 = -1.
//
// Padding weights at the end of a row are code 0 (ternary) or -1 (binary); readers ignore them.
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace spectra::lowbit {

enum class ShardAxis : uint8_t { kRows, kColumns };
const char* shard_axis_name(ShardAxis axis);  ///< "rows", "columns"

enum class Format : uint8_t { kTern2, kTern1_6, kBin1 };
const char* format_name(Format format);  ///< "tern2-v1", "tern1.6-v1", "bin1-v1"
/// Accepts the stored names and the command line's "2bit", "1.6bit", "1bit". Throws Error listing them.
Format format_from_name(const std::string& name);
int64_t group_weights(Format format);  ///< weights in a group: 64, 80, 64
/// Bytes of one packed row.
int64_t row_bytes(Format format, int64_t cols);
/// Packs / unpacks one row of codes; scalar, the specification in code. `packed` holds row_bytes(format, cols).
void pack_row(Format format, const int8_t* codes, int64_t cols, uint8_t* packed);
void unpack_row(Format format, const uint8_t* packed, int64_t cols, int8_t* codes);
/// False when the row is not one that pack_row can write (1.6 bits: 13 invalid bytes; 2 bits: code 3; padding): damaged file.
bool valid_row(Format format, const uint8_t* packed, int64_t cols);

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
