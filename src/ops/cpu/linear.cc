// SPDX-License-Identifier: Apache-2.0
// Linear layers: products with exact codes in oneDNN, scales in fp32. The scale of the product's columns is applied to its fp32
// sums; a scale along the summed dimension goes into a copy of the operand, rounded once more, unless all shards have the same one
// (there is one shard, or γ of two matrices is the same number of fp16): then it, too, is a scale of the columns.
#include <algorithm>

#include "ops/cpu/cpu_backend.h"
#include "ops/cpu/pieces.h"

namespace spectra::ops::cpu {
namespace {

/// γ of the shard that each of the `lines` rows or columns belongs to.
void expand(const QuantizedWeight& w, float* lines) {
  const float* scales = w.scales.as<float>();
  for (size_t s = 0; s + 1 < w.bounds.size(); ++s) std::fill(lines + w.bounds[s], lines + w.bounds[s + 1], scales[s]);
}

bool one_scale(const QuantizedWeight& w) {
  const float* scales = w.scales.as<float>();
  return std::all_of(scales, scales + w.shards(), [scales](float scale) { return scale == scales[0]; });
}

}  // namespace

/// The operand x of a product with `columns` columns that sums over w's rows (`over_rows`) or columns.
CpuBackend::Scaled CpuBackend::scaled(Tensor x, const QuantizedWeight& w, bool over_rows, int64_t columns) {
  if (w.bounds.empty()) return {x.data, nullptr};
  if (w.by_rows != over_rows) {
    float* of_columns = line_scale_.get<float>(columns);
    expand(w, of_columns);
    return {x.data, of_columns};
  }
  if (one_scale(w)) {
    float* of_columns = line_scale_.get<float>(columns);
    std::fill_n(of_columns, columns, w.scales.as<float>()[0]);
    return {x.data, of_columns};
  }
  const Type type = type_of(x);
  float* summed = line_scale_.get<float>(x.cols);
  expand(w, summed);
  const Tensor copy(operand_.get<char>(static_cast<int64_t>(x.bytes())), x.dtype, x.rows, x.cols);
  each_row(x.rows, [&](int64_t n) { loops_.scale[type](row(copy, n), row(x, n), summed, x.cols); });
  return {copy.data, nullptr};
}

const void* CpuBackend::widened(Scratch& scratch, const void* x, int64_t size) {
  const Tensor wide(scratch.get<float>(size), DType::kF32, 1, size);
  copy(wide, Tensor(const_cast<void*>(x), DType::kF16, 1, size));
  return wide.data;
}

/// Gemm::run, also for fp16.
void CpuBackend::multiply(const GemmShape& shape, void* c, const void* a, const void* b, const float* column_scale) {
  if (shape.in != DType::kF16) return gemm_.run(shape, c, a, b, column_scale);
  GemmShape wide = shape;
  wide.in = wide.out = DType::kF32;
  const void* wide_a = widened(wide_a_, a, shape.m * shape.k);
  const void* wide_b = widened(wide_b_, b, shape.k * shape.n);
  if (shape.out == DType::kF32) return gemm_.run(wide, c, wide_a, wide_b, column_scale);
  const Tensor sums(wide_c_.get<float>(shape.m * shape.n), DType::kF32, 1, shape.m * shape.n);
  gemm_.run(wide, sums.data, wide_a, wide_b, column_scale);
  copy(Tensor(c, shape.out, 1, sums.cols), sums);
}

void CpuBackend::linear(Tensor y, Tensor x, const QuantizedWeight& w, bool accumulate) {
  SPECTRA_CHECK(y.rows == x.rows && y.cols == w.codes.rows && x.cols == w.codes.cols);
  SPECTRA_CHECK(y.dense() && x.dense() && w.codes.dense() && x.dtype == activation_ && w.codes.dtype == activation_);
  const Scaled in = scaled(x, w, false, y.cols);
  const GemmShape shape{y.rows, y.cols, x.cols, false, true, activation_, y.dtype, accumulate, in.columns != nullptr};
  multiply(shape, y.data, in.operand, w.codes.data, in.columns);
}

void CpuBackend::linear_dx(Tensor dx, Tensor dy, const QuantizedWeight& w, bool accumulate) {
  SPECTRA_CHECK(dx.rows == dy.rows && dy.cols == w.codes.rows && dx.cols == w.codes.cols);
  SPECTRA_CHECK(dx.dense() && dy.dense() && w.codes.dense() && dy.dtype == activation_ && w.codes.dtype == activation_);
  const Scaled in = scaled(dy, w, true, dx.cols);
  const GemmShape shape{dx.rows, dx.cols, dy.cols, false, false, activation_, dx.dtype, accumulate, in.columns != nullptr};
  multiply(shape, dx.data, in.operand, w.codes.data, in.columns);
}

void CpuBackend::linear_dw(Tensor dw, Tensor dy, Tensor x) {
  SPECTRA_CHECK(dy.rows == x.rows && dw.rows == dy.cols && dw.cols == x.cols);
  SPECTRA_CHECK(dw.dense() && dy.dense() && x.dense() && dy.dtype == activation_ && x.dtype == activation_);
  const GemmShape shape{dw.rows, dw.cols, dy.rows, true, false, activation_, dw.dtype, true, false};
  multiply(shape, dw.data, dy.data, x.data, nullptr);
}

}  // namespace spectra::ops::cpu
