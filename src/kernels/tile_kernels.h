// SPDX-License-Identifier: Apache-2.0
// Products with packed matrices, written once for all vector instruction sets. The including file first defines, in an anonymous
// namespace:
//
//   Bytes   a register of kRows x 4 unsigned bytes: load, store, & | + -, min, low_bits<shift, bits>() (of each byte)
//   Sums    a register of kRows int32: zero, +, dot<small>(Sums, Bytes u, int32_t x): adds u . x of each four bytes (x: int8;
//           small: u < 128), scaled(factor), minus(int32_t)
//   Floats  kRows floats: zero, load(const float*), from(Sums), fma, times(float), store(float*), store(float*, count)
//   renew(Bytes& or Sums&): makes the compiler take it for changed
//   trits(bytes, u): the five base-3 digits of each byte
//
// This header is included once a file and has no guard: see vector_kernels.h.
#include "kernels/tile_groups.h"

namespace spectra::kernels {
namespace {

inline int32_t four(const int8_t* p) {
  int32_t x;
  __builtin_memcpy(&x, p, 4);
  return x;
}

#ifndef SPECTRA_PREFETCH_AHEAD  // bench/ladder measures others
#define SPECTRA_PREFETCH_AHEAD 8192
#endif
/// Reads memory far enough ahead, across tiles and into what comes after them.
struct Ahead {
  static constexpr ptrdiff_t kDistance = SPECTRA_PREFETCH_AHEAD;
  static constexpr size_t kSegments = 10;  // of scales: about as far, where a segment is a group of 128 columns of 4 bits
  const uint8_t* end;
  ptrdiff_t jump;  // from `end` to what comes next

  explicit Ahead(const TileSpan& w) : end(w.packed + w.tiles * w.tile_bytes), jump(w.next - end) {}
  void prefetch(const uint8_t* p) const {
    p += kDistance;
    __builtin_prefetch(p < end ? p : p + jump);
  }
};

/// int32 sums of one segment: W tiles (tile_bytes apart) times M token rows. With few of both, quads of columns are added apart,
/// so that four additions are under way at once.
template <Format format, int M, int W>
inline void add_segment(Sums (&sums)[M][W], const uint8_t* packed, size_t tile_bytes, const Ahead& ahead, const int8_t* x,
                        size_t stride, size_t groups) {
  using G = Group<format>;
  constexpr int kApart = M * W >= 8 ? 1 : (G::kQuads < 4 ? G::kQuads : 4);
  Sums parts[M][W][kApart];
#pragma GCC unroll 8
  for (int t = 0; t < M; ++t)
#pragma GCC unroll 2
    for (int i = 0; i < W; ++i)
#pragma GCC unroll 4
      for (int a = 0; a < kApart; ++a) parts[t][i][a] = Sums::zero();
  for (size_t g = 0; g < groups; ++g) {
    Bytes u[W][G::kQuads];
#pragma GCC unroll 2
    for (int i = 0; i < W; ++i) {
      const uint8_t* p = packed + static_cast<size_t>(i) * tile_bytes + g * G::kBytes;
      G::load(p, u[i]);
      if (M < static_cast<int>(kManyTokens))
        for (int line = 0; line < G::kBytes; line += 64) ahead.prefetch(p + line);
    }
#pragma GCC unroll 8
    for (int q = 0; q < G::kQuads; ++q)
#pragma GCC unroll 8
      for (int t = 0; t < M; ++t) {
        const int32_t xq = four(x + static_cast<size_t>(t) * stride + 4 * (g * G::kQuads + static_cast<size_t>(q)));
#pragma GCC unroll 2
        for (int i = 0; i < W; ++i) parts[t][i][q % kApart] = dot<G::kSmall>(parts[t][i][q % kApart], u[i][q], xq);
      }
  }
#pragma GCC unroll 8
  for (int t = 0; t < M; ++t)
#pragma GCC unroll 2
    for (int i = 0; i < W; ++i) {
      Sums sum = parts[t][i][0];
#pragma GCC unroll 4
      for (int a = 1; a < kApart; ++a) sum = sum + parts[t][i][a];
      sums[t][i] = sum;
    }
}

/// W tiles from tile `first` on times M token rows from token `t0` on; `part`: which kRows of the 16 rows.
template <Format format, int M, int W>
inline void block(float* y, size_t y_stride, const TileSpan& w, size_t first, size_t part, const Int8Rows& x, size_t t0) {
  using G = Group<format>;
  const size_t row = first * lowbit::kTileRows + part * Bytes::kRows;
  const uint8_t* packed = w.packed + first * w.tile_bytes + part * Bytes::kRows * 4;
  const int8_t* values = x.values + t0 * x.stride;
  const float* scales = w.scales + first * w.segments * lowbit::kTileRows + part * Bytes::kRows;
  const Ahead ahead(w);
  Floats out[M][W];
#pragma GCC unroll 8
  for (int t = 0; t < M; ++t)
#pragma GCC unroll 2
    for (int i = 0; i < W; ++i) out[t][i] = Floats::zero();
  for (size_t s = 0; s < w.segments; ++s) {
    Sums sums[M][W];
    add_segment<format, M, W>(sums, packed, w.tile_bytes, ahead, values, x.stride, w.groups[s]);
    packed += w.groups[s] * G::kBytes;
    values += w.groups[s] * G::kQuads * 4;
    if (M < static_cast<int>(kManyTokens)) __builtin_prefetch(scales + (s + Ahead::kSegments) * lowbit::kTileRows);
#pragma GCC unroll 2
    for (int i = 0; i < W; ++i) {
      const Floats scale = Floats::load(scales + (static_cast<size_t>(i) * w.segments + s) * lowbit::kTileRows);
#pragma GCC unroll 8
      for (int t = 0; t < M; ++t) {
        const int32_t excess = G::kOffset * x.sums[(t0 + static_cast<size_t>(t)) * w.segments + s];
        out[t][i] = fma(scale, Floats::from(sums[t][i].scaled(G::kStep).minus(excess)), out[t][i]);
      }
    }
  }
#pragma GCC unroll 8
  for (int t = 0; t < M; ++t)
#pragma GCC unroll 2
    for (int i = 0; i < W; ++i) {
      const size_t at = row + static_cast<size_t>(i) * lowbit::kTileRows;
      const Floats result = out[t][i].times(x.scales[t0 + static_cast<size_t>(t)]);
      float* to = y + (t0 + static_cast<size_t>(t)) * y_stride + at;
      if (at + Bytes::kRows <= w.rows)
        result.store(to);
      else if (at < w.rows)
        result.store(to, w.rows - at);
    }
}

/// All tokens times W tiles.
template <Format format, int W>
inline void all_tokens(float* y, size_t y_stride, const TileSpan& w, size_t first, size_t part, const Int8Rows& x) {
  size_t t = 0;
  for (; t + kManyTokens <= x.tokens; t += kManyTokens) block<format, kManyTokens, W>(y, y_stride, w, first, part, x, t);
  // One tile at a time from here on: see add_segment.
  for (size_t i = 0; i < W; ++i) {
    size_t rest = t;
    if (kManyTokens > 4)
      for (; rest + 4 <= x.tokens; rest += 4) block<format, 4, 1>(y, y_stride, w, first + i, part, x, rest);
    for (; rest + 2 <= x.tokens; rest += 2) block<format, 2, 1>(y, y_stride, w, first + i, part, x, rest);
    if (rest < x.tokens) block<format, 1, 1>(y, y_stride, w, first + i, part, x, rest);
  }
}

template <Format format>
void matmul_tiles_i8(float* y, size_t y_stride, const TileSpan& w, const Int8Rows& x) {
  constexpr size_t kParts = lowbit::kTileRows / Bytes::kRows;
  size_t tile = 0;
  for (; x.tokens >= kManyTokens && tile + 2 <= w.tiles; tile += 2)
    for (size_t part = 0; part < kParts; ++part) all_tokens<format, 2>(y, y_stride, w, tile, part, x);
  for (; tile < w.tiles; ++tile)
    for (size_t part = 0; part < kParts; ++part) all_tokens<format, 1>(y, y_stride, w, tile, part, x);
}

template <Format format>
void unpack_tile(int8_t* codes, size_t stride, const uint8_t* packed, size_t segments, const size_t* columns) {
  using G = Group<format>;
  constexpr size_t kColumns = G::kQuads * 4;
  const Bytes offset = Bytes::all(static_cast<uint8_t>(G::kOffset));
  for (size_t s = 0, begin = 0; s < segments; begin += columns[s++])
    for (size_t c = 0; c < columns[s]; c += kColumns, packed += G::kBytes) {
      const size_t here = columns[s] - c < kColumns ? columns[s] - c : kColumns;
      for (size_t part = 0; part < lowbit::kTileRows / Bytes::kRows; ++part) {
        Bytes u[G::kQuads];
        G::load(packed + part * Bytes::kRows * 4, u);
        uint8_t all[G::kQuads][Bytes::kRows * 4];
#pragma GCC unroll 8
        for (int q = 0; q < G::kQuads; ++q) ((G::kStep == 2 ? u[q] + u[q] : u[q]) - offset).store(all[q]);
        for (size_t r = 0; r < Bytes::kRows; ++r) {
          int8_t* to = codes + (part * Bytes::kRows + r) * stride + begin + c;
          size_t q = 0;
          for (; 4 * q + 4 <= here; ++q) __builtin_memcpy(to + 4 * q, all[q] + 4 * r, 4);
          for (size_t j = 4 * q; j < here; ++j) to[j] = static_cast<int8_t>(all[j / 4][4 * r + j % 4]);
        }
      }
    }
}

double busy_i8(size_t rounds) {
  constexpr int kApart = 12;  // more than latency times throughput of the dot product anywhere
  Sums sums[kApart];
  for (Sums& sum : sums) sum = Sums::zero();
  Bytes u = Bytes::all(1);
  for (size_t i = 0; i < rounds; ++i) {
    renew(u);
#pragma GCC unroll 12
    for (int k = 0; k < kApart; ++k) sums[k] = dot<true>(sums[k], u, 0x01020304);
  }
  for (int k = 1; k < kApart; ++k) sums[0] = sums[0] + sums[k];
  renew(sums[0]);
  return static_cast<double>(rounds) * kApart * Bytes::kRows * 8;
}

template <Format format>
inline void use_tiles_of(Kernels& table) {
  table.matmul_tiles_i8[static_cast<size_t>(format)] = matmul_tiles_i8<format>;
  table.unpack_tile[static_cast<size_t>(format)] = unpack_tile<format>;
}
/// Points the table at the functions above.
inline void use_tiles(Kernels& table) {
  use_tiles_of<Format::kTern2>(table);
  use_tiles_of<Format::kTern1_6>(table);
  use_tiles_of<Format::kBin1>(table);
  use_tiles_of<Format::kInt3>(table);
  use_tiles_of<Format::kInt4>(table);
  use_tiles_of<Format::kInt6>(table);
  use_tiles_of<Format::kInt8>(table);
  table.busy_i8 = busy_i8;
}

}  // namespace
}  // namespace spectra::kernels
