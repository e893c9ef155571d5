// SPDX-License-Identifier: Apache-2.0
#pragma once
// How the CPU backend spreads work: pieces of a fixed size, so that results do not depend on the number of threads.
#include <algorithm>
#include <cstdint>

#include "ops/buffer.h"
#include "ops/cpu/loops.h"

namespace spectra::ops::cpu {

constexpr int64_t kRowsPerPiece = 32;
constexpr int64_t kElementsPerPiece = 16384;

inline Type type_of(const Tensor& x) {
  if (x.dtype == DType::kBf16) return kBf16;
  if (x.dtype == DType::kF16) return kFp16;
  SPECTRA_CHECK(x.dtype == DType::kF32, "{}", dtype_name(x.dtype));
  return kFloat;
}

/// Row n of x.
inline void* row(const Tensor& x, int64_t n) {
  return static_cast<char*>(x.data) + static_cast<size_t>(n * x.stride) * dtype_size(x.dtype);
}

inline int64_t piece_count(int64_t count, int64_t size) { return (count + size - 1) / size; }

/// body(piece, begin, end) for [0, count) in pieces of `size`, on all threads.
template <class Body>
void each_piece(int64_t count, int64_t size, Body body) {
  const int64_t pieces = piece_count(count, size);
#pragma omp parallel for schedule(static) if (pieces > 1)
  for (int64_t i = 0; i < pieces; ++i) body(i, i * size, std::min(count, (i + 1) * size));
}

/// body(n) for each row.
template <class Body>
void each_row(int64_t rows, Body body) {
  each_piece(rows, kRowsPerPiece, [&](int64_t, int64_t begin, int64_t end) {
    for (int64_t n = begin; n < end; ++n) body(n);
  });
}

/// body(row, column, count) for slices of rows: what elementwise ops run on. A dense tensor counts as one row.
template <class Body>
void each_slice(const Tensor& x, bool dense, Body body) {
  if (dense) {
    each_piece(x.size(), kElementsPerPiece, [&](int64_t, int64_t begin, int64_t end) { body(0, begin, end - begin); });
  } else {
    each_row(x.rows, [&](int64_t n) { body(n, 0, x.cols); });
  }
}

/// Element (n, col) of x.
inline void* at(const Tensor& x, int64_t n, int64_t col) {
  return static_cast<char*>(x.data) + static_cast<size_t>(n * x.stride + col) * dtype_size(x.dtype);
}

}  // namespace spectra::ops::cpu
