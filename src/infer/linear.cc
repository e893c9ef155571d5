// SPDX-License-Identifier: Apache-2.0
#include "infer/linear.h"

#include <algorithm>

#include "base/error.h"

namespace spectra::infer {
namespace {

using kernels::Kernels;
using model::PackedMatrix;

// Weight rows that a thread works on together: 8 unpacked rows of 4096 stay in the first-level cache while all token rows pass.
constexpr int64_t kTileRows = 8;

/// Multiply-adds; unused where OpenMP is off.
[[maybe_unused]] int64_t work(const Linear& w, const Rows& x) { return w.rows * w.cols * x.count; }

template <class Weight, class X, class Matvec>
void dense(float* y, const Linear& w, const DenseMatrix& matrix, const Rows& x, const X* rows_of_x, Matvec matvec) {
  const auto* weights = static_cast<const Weight*>(matrix.data);
  const auto cols = static_cast<size_t>(w.cols);
#pragma omp parallel for schedule(static) if (work(w, x) > kParallelWork)
  for (int64_t begin = 0; begin < w.rows; begin += kTileRows) {
    const auto rows = static_cast<size_t>(std::min(kTileRows, w.rows - begin));
    for (int64_t t = 0; t < x.count; ++t)
      matvec(y + t * w.rows + begin, rows_of_x + t * x.cols, weights + begin * w.cols, cols, rows, cols);
  }
}

/// Weights stay as they are stored: bf16 activations meet fp16 or fp32 weights in fp32, which holds both exactly.
void dense(float* y, const Linear& w, const DenseMatrix& matrix, const Rows& x, const Kernels& k) {
  SPECTRA_CHECK(x.mode != Activations::kInt8, "{} is dense: int8 activations are for packed weights", w.name);
  if (x.mode == Activations::kBf16 && matrix.dtype == DType::kBf16)
    return dense<bf16>(y, w, matrix, x, x.bf16_rows.data(), k.matvec_bf16);
  std::vector<float> widened(x.bf16_rows.size());
  const float* rows = x.fp32;
  if (x.mode == Activations::kBf16) {
    std::transform(x.bf16_rows.begin(), x.bf16_rows.end(), widened.begin(), [](bf16 value) { return to_float(value); });
    rows = widened.data();
  }
  switch (matrix.dtype) {
    case DType::kF32:
      return dense<float>(y, w, matrix, x, rows, k.matvec_f32);
    case DType::kF16:
      return dense<fp16>(y, w, matrix, x, rows, k.matvec_f32_fp16);
    case DType::kBf16:
      return dense<bf16>(y, w, matrix, x, rows, k.matvec_f32_bf16);
    default:
      SPECTRA_CHECK(false, "{}", dtype_name(matrix.dtype));
  }
}

float scale_of_row(const PackedMatrix& w, int64_t row) {
  size_t shard = 0;
  while (row >= w.bounds[shard + 1]) ++shard;
  return w.scales[shard];
}

/// y[r] = Σ_s γ_s · (x · codes of row r in shard s), in the order of the shards, for the rows of a tile, which begins at row
/// `begin`. `matvec(out, from, n)`: the token row times columns [from, from + n) of the tile, in the units of x.
template <class Matvec>
void scaled_tile(float* y, const PackedMatrix& matrix, int64_t begin, size_t rows, Matvec matvec) {
  if (matrix.axis == lowbit::ShardAxis::kRows) {
    matvec(y, 0, matrix.cols);
    for (size_t r = 0; r < rows; ++r) y[r] *= scale_of_row(matrix, begin + static_cast<int64_t>(r));
    return;
  }
  std::fill(y, y + rows, 0.0f);
  for (size_t s = 0; s < matrix.scales.size(); ++s) {
    float part[kTileRows];
    matvec(part, matrix.bounds[s], matrix.bounds[s + 1] - matrix.bounds[s]);
    for (size_t r = 0; r < rows; ++r) y[r] += matrix.scales[s] * part[r];
  }
}

/// `matvec(out, t, from, codes, rows, n)`: token row t from column `from` on, times n columns of a tile's codes.
template <class Matvec>
void packed(float* y, const Linear& w, const PackedMatrix& matrix, const Rows& x, const Kernels& k, Matvec matvec) {
  const auto unpack = matrix.format == lowbit::Format::kTern2     ? k.unpack_tern2
                      : matrix.format == lowbit::Format::kTern1_6 ? k.unpack_tern1_6
                                                                  : k.unpack_bin1;
  const auto cols = static_cast<size_t>(w.cols);
#pragma omp parallel if (work(w, x) > kParallelWork)
  {
    std::vector<int8_t> tile(cols * kTileRows);
#pragma omp for schedule(static)
    for (int64_t begin = 0; begin < w.rows; begin += kTileRows) {
      const auto rows = static_cast<size_t>(std::min(kTileRows, w.rows - begin));
      for (size_t r = 0; r < rows; ++r)
        unpack(matrix.codes.data() + (begin + static_cast<int64_t>(r)) * matrix.row_bytes, cols, tile.data() + r * cols);
      for (int64_t t = 0; t < x.count; ++t)
        scaled_tile(y + t * w.rows + begin, matrix, begin, rows, [&](float* out, int64_t from, int64_t n) {
          matvec(out, t, from, tile.data() + from, rows, static_cast<size_t>(n));
        });
    }
  }
}

void packed(float* y, const Linear& w, const PackedMatrix& matrix, const Rows& x, const Kernels& k) {
  const auto cols = static_cast<size_t>(w.cols);
  switch (x.mode) {
    case Activations::kFp32:
      return packed(y, w, matrix, x, k, [&](float* out, int64_t t, int64_t from, const int8_t* codes, size_t rows, size_t n) {
        k.matvec_f32_i8(out, x.fp32 + t * x.cols + from, codes, cols, rows, n);
      });
    case Activations::kBf16:
      return packed(y, w, matrix, x, k, [&](float* out, int64_t t, int64_t from, const int8_t* codes, size_t rows, size_t n) {
        k.matvec_bf16_i8(out, x.bf16_rows.data() + t * x.cols + from, codes, cols, rows, n);
      });
    case Activations::kInt8:
      return packed(y, w, matrix, x, k, [&](float* out, int64_t t, int64_t from, const int8_t* codes, size_t rows, size_t n) {
        int32_t sums[kTileRows];
        k.matvec_i8(sums, x.int8_rows.data() + t * x.cols + from, codes, cols, rows, n);
        const float scale = x.int8_scales[static_cast<size_t>(t)];
        for (size_t r = 0; r < rows; ++r) out[r] = scale * static_cast<float>(sums[r]);
      });
  }
}

}  // namespace

const char* activations_name(Activations activations) {
  switch (activations) {
    case Activations::kFp32:
      return "fp32";
    case Activations::kBf16:
      return "bf16";
    case Activations::kInt8:
      return "int8";
  }
  return "?";
}

Activations activations_from_name(const std::string& name) {
  for (const Activations a : {Activations::kFp32, Activations::kBf16, Activations::kInt8})
    if (name == activations_name(a)) return a;
  throw Error(Exit::kUsage, fmt::format("--activations {} is unknown", name), "allowed: fp32, bf16, int8");
}

void Rows::set(Activations mode_, const float* x, int64_t count_, int64_t cols_, const Kernels& kernels) {
  mode = mode_;
  count = count_;
  cols = cols_;
  fp32 = x;
  const auto n = static_cast<size_t>(cols);
  bf16_rows.resize(mode == Activations::kBf16 ? static_cast<size_t>(count) * n : 0);
  if (mode == Activations::kInt8) {
    int8_rows.resize(static_cast<size_t>(count) * n);
    int8_scales.resize(static_cast<size_t>(count));
  }
  if (mode == Activations::kFp32) return;
#pragma omp parallel for schedule(static) if (count * cols > kParallelWork)
  for (int64_t t = 0; t < count; ++t) {
    if (mode == Activations::kBf16)
      kernels.to_bf16(bf16_rows.data() + t * cols, x + t * cols, n);
    else
      int8_scales[static_cast<size_t>(t)] = kernels.quantize_i8(int8_rows.data() + t * cols, x + t * cols, n);
  }
}

void linear(float* y, const Linear& w, const Rows& x, const Kernels& kernels) {
  SPECTRA_CHECK(x.cols == w.cols, "{}: {} activations for {} columns", w.name, x.cols, w.cols);
  if (w.packed())
    packed(y, w, std::get<PackedMatrix>(w.weight), x, kernels);
  else
    dense(y, w, std::get<DenseMatrix>(w.weight), x, kernels);
}

}  // namespace spectra::infer
