// SPDX-License-Identifier: Apache-2.0
// Norms of groups of columns, biases and rounded inputs: activations pass through rows of fp32, where the loops of loops.h work.
#include <algorithm>
#include <cstring>
#include <vector>

#include "ops/cpu/cpu_backend.h"
#include "ops/cpu/pieces.h"

namespace spectra::ops::cpu {

void CpuBackend::group_norm(Tensor y, Tensor rstd, Tensor x, Tensor w, float eps) {
  SPECTRA_CHECK(type_of(y) == type_of(x) && y.rows == x.rows && y.cols == x.cols && x.cols % rstd.rows == 0 && rstd.dense());
  const int64_t groups = rstd.rows, width = x.cols / groups;
  const std::vector<float> ones(w.data == nullptr ? static_cast<size_t>(width) : 0, 1.0f);
  const float* weight = w.data == nullptr ? ones.data() : w.as<float>();
  const auto widen = loops_.convert[kFloat][type_of(x)];
  const auto loop = loops_.rmsnorm[type_of(y)];
  each_piece(x.rows, kRowsPerPiece, [&](int64_t, int64_t begin, int64_t end) {
    std::vector<float> wide(static_cast<size_t>(width));
    for (int64_t n = begin; n < end; ++n)
      for (int64_t g = 0; g < groups; ++g) {
        widen(wide.data(), at(x, n, g * width), width);
        rstd.as<float>()[g * x.rows + n] = loop(at(y, n, g * width), wide.data(), weight, width, eps);
      }
  });
}

void CpuBackend::group_norm_backward(Tensor dx, Tensor dw, Tensor dy, Tensor x, Tensor rstd, Tensor w) {
  SPECTRA_CHECK(type_of(dx) == type_of(x) && dx.rows == x.rows && dx.cols == x.cols && x.cols % rstd.rows == 0 && rstd.dense());
  const int64_t groups = rstd.rows, width = x.cols / groups, pieces = piece_count(x.rows, kRowsPerPiece);
  const std::vector<float> ones(w.data == nullptr ? static_cast<size_t>(width) : 0, 1.0f);
  const float* weight = w.data == nullptr ? ones.data() : w.as<float>();
  const auto widen = loops_.convert[kFloat][type_of(x)], narrow = loops_.convert[type_of(dx)][kFloat];
  const auto loop = loops_.rmsnorm_backward[type_of(dy)];
  float* partial = partials_.get<float>(pieces * width);
  each_piece(x.rows, kRowsPerPiece, [&](int64_t piece, int64_t begin, int64_t end) {
    std::vector<float> wide(static_cast<size_t>(width)), gradient(wide.size());
    float* sum = partial + piece * width;
    std::fill_n(sum, width, 0.0f);
    for (int64_t n = begin; n < end; ++n)
      for (int64_t g = 0; g < groups; ++g) {
        widen(wide.data(), at(x, n, g * width), width);
        std::fill(gradient.begin(), gradient.end(), 0.0f);
        loop(gradient.data(), sum, at(dy, n, g * width), wide.data(), rstd.as<float>()[g * x.rows + n], weight, width);
        narrow(at(dx, n, g * width), gradient.data(), width);
      }
  });
  if (w.data == nullptr) return;
  for (int64_t piece = 0; piece < pieces; ++piece) loops_.add[kFloat][kFloat](dw.as<float>(), partial + piece * width, width);
}

void CpuBackend::add_bias(Tensor y, Tensor b) {
  SPECTRA_CHECK(b.cols == y.cols && type_of(b) == kFloat, "{} biases of {} columns", b.cols, y.cols);
  const auto loop = loops_.add[type_of(y)][kFloat];
  each_row(y.rows, [&](int64_t n) { loop(row(y, n), b.data, y.cols); });
}

void CpuBackend::add_bias_backward(Tensor db, Tensor dy) {
  SPECTRA_CHECK(db.cols == dy.cols && type_of(db) == kFloat, "{} biases of {} columns", db.cols, dy.cols);
  const auto loop = loops_.add[kFloat][type_of(dy)];
  const int64_t pieces = piece_count(dy.rows, kRowsPerPiece), width = dy.cols;
  float* partial = partials_.get<float>(pieces * width);
  each_piece(dy.rows, kRowsPerPiece, [&](int64_t piece, int64_t begin, int64_t end) {
    float* sum = partial + piece * width;
    std::fill_n(sum, width, 0.0f);
    for (int64_t n = begin; n < end; ++n) loop(sum, row(dy, n), width);
  });
  for (int64_t piece = 0; piece < pieces; ++piece) loops_.add[kFloat][kFloat](db.as<float>(), partial + piece * width, width);
}

void CpuBackend::round_int8(Tensor y, Tensor x) {
  SPECTRA_CHECK(type_of(y) == type_of(x) && y.rows == x.rows && y.cols == x.cols);
  const auto loop = loops_.round_int8[type_of(x)];
  each_row(x.rows, [&](int64_t n) { loop(row(y, n), row(x, n), x.cols); });
}

}  // namespace spectra::ops::cpu
