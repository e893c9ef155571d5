// SPDX-License-Identifier: Apache-2.0
#include "quantize/solve.h"

#include <cblas.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "quantize/grid.h"

namespace spectra::quantize {
namespace {

constexpr int64_t kPieceRows = 64;  // rows that one thread takes together: U is read once for them
constexpr int64_t kNarrow = 16;     // columns whose errors are passed on one by one; further away, as products of matrices
using Matrix = std::vector<double>;

/// Rows [begin, begin + rows) of a matrix, in the order of the factor.
class Piece {
 public:
  Piece(const float* w, int64_t begin, int64_t rows, int64_t cols, const Factor* factor, const Options& options, Solved& out)
      : begin_(begin),
        rows_(rows),
        cols_(cols),
        group_(options.group(cols)),
        factor_(factor),
        options_(options),
        grid_{options.bits, options.mse, options.reference_scales},
        out_(out) {
    w_.resize(static_cast<size_t>(rows * cols));
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t i = 0; i < cols; ++i) at(r, i) = dead(i) ? 0.0 : static_cast<double>(w[(begin + r) * cols + column(i)]);
  }

  void run() {
    if (options_.method == Method::kGptaq) move_to_target();
    if (options_.act_order || factor_ == nullptr || options_.method == Method::kRtn) scale_everything();
    if (factor_ == nullptr || options_.method == Method::kRtn)
      round_everything();
    else
      for (int64_t begin = 0; begin < cols_;) begin = block(begin);
  }
  double error = 0;
  int64_t clipped = 0;

 private:
  double& at(int64_t row, int64_t i) { return w_[static_cast<size_t>(row * cols_ + i)]; }
  int64_t column(int64_t i) const { return factor_ == nullptr ? i : factor_->order[static_cast<size_t>(i)]; }
  bool dead(int64_t i) const { return factor_ != nullptr && factor_->dead[static_cast<size_t>(column(i))]; }
  float& scale(int64_t row, int64_t group) {
    return out_.matrix.scales[static_cast<size_t>((begin_ + row) * (cols_ / group_) + group)];
  }
  const double* u(int64_t i) const { return factor_->upper.data() + i * cols_; }

  /// w += (w G) (H + damping)^-1.
  void move_to_target() {
    const auto rows = static_cast<blasint>(rows_), cols = static_cast<blasint>(cols_);
    Matrix t(w_.size());
    cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, rows, cols, cols, 1, w_.data(), cols, factor_->shift.data(), cols, 0,
                t.data(), cols);
    for (const CBLAS_TRANSPOSE transposed : {CblasTrans, CblasNoTrans})
      cblas_dtrmm(CblasRowMajor, CblasRight, CblasUpper, transposed, CblasNonUnit, rows, cols, 1, factor_->upper.data(), cols,
                  t.data(), cols);
    for (size_t i = 0; i < t.size(); ++i) w_[i] += t[i];
  }

  /// Scales of all groups from the weights as they are, whatever the order.
  void scale_everything() {
    std::vector<double> row(static_cast<size_t>(cols_));
    for (int64_t r = 0; r < rows_; ++r) {
      for (int64_t i = 0; i < cols_; ++i) row[static_cast<size_t>(column(i))] = at(r, i);
      for (int64_t g = 0; g < cols_ / group_; ++g) scale(r, g) = grid_.scale(row.data() + g * group_, group_);
    }
  }

  void round_everything() {
    for (int64_t r = 0; r < rows_; ++r)
      for (int64_t i = 0; i < cols_; ++i)
        store(r, column(i), code(grid_, at(r, i), static_cast<double>(scale(r, column(i) / group_)), clipped));
  }

  void store(int64_t row, int64_t col, double value) {
    out_.matrix.codes[static_cast<size_t>((begin_ + row) * cols_ + col)] = static_cast<int8_t>(value);
  }

  /// Works through one block and passes its errors on. Returns where the next begins.
  int64_t block(int64_t begin) {
    int64_t end = std::min(cols_, begin + options_.block);
    if (!options_.act_order) {
      if (!options_.reference_scales) end = std::min(end, (begin / group_ + 1) * group_);  // so that scales see all errors
      for (int64_t g = (begin + group_ - 1) / group_; g * group_ < end; ++g)
        for (int64_t r = 0; r < rows_; ++r) scale(r, g) = grid_.scale(&at(r, g * group_), group_);
    }
    const int64_t width = end - begin;
    errors_.assign(static_cast<size_t>(rows_ * width), 0.0);
    for (int64_t i = begin; i < end; i += kNarrow) {
      const int64_t stop = std::min(end, i + kNarrow);
      narrow(i, stop, begin, width);
      pass_on(i, stop, stop, end, begin, width);
    }
    pass_on(begin, end, end, cols_, begin, width);
    return end;
  }

  /// Columns [i, stop) one after the other; rows innermost, so that the loops are vector code.
  void narrow(int64_t i, int64_t stop, int64_t block_begin, int64_t width) {
    double columns[kNarrow][kPieceRows], err[kPieceRows];
    for (int64_t r = 0; r < rows_; ++r)
      for (int64_t k = i; k < stop; ++k) columns[k - i][r] = at(r, k);
    for (int64_t j = i; j < stop; ++j) {
      const double inverse = 1 / u(j)[j];
      const int64_t col = column(j);
      double* w = columns[j - i];
      for (int64_t r = 0; r < rows_; ++r) {
        const auto s = static_cast<double>(scale(r, col / group_));
        const double value = code(grid_, w[r], s, clipped);
        store(r, col, value);
        err[r] = (w[r] - s * value) * inverse;
        error += err[r] * err[r];
        errors_[static_cast<size_t>(r * width + j - block_begin)] = err[r];
      }
      for (int64_t k = j + 1; k < stop; ++k)
        for (int64_t r = 0; r < rows_; ++r) columns[k - i][r] -= err[r] * u(j)[k];
    }
  }

  /// Subtracts the errors of columns [i, stop) from columns [from, to).
  void pass_on(int64_t i, int64_t stop, int64_t from, int64_t to, int64_t block_begin, int64_t width) {
    if (from >= to) return;
    cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, static_cast<blasint>(rows_), static_cast<blasint>(to - from),
                static_cast<blasint>(stop - i), -1, errors_.data() + (i - block_begin), static_cast<blasint>(width), u(i) + from,
                static_cast<blasint>(cols_), 1, &at(0, from), static_cast<blasint>(cols_));
  }

  const int64_t begin_, rows_, cols_, group_;
  const Factor* const factor_;
  const Options& options_;
  const Grid grid_;
  Solved& out_;
  Matrix w_, errors_;  // (rows, cols); (rows, columns of the block)
};

/// What is reported of the result, and whether it can be stored.
void measure(const float* w, Solved& solved, const std::string& where) {
  const lowbit::QuantizedMatrix& m = solved.matrix;
  for (const float s : m.scales)
    if (!std::isfinite(s))
      throw bad_input(fmt::format("{}: the weights are too large for a scale in fp16", where),
                      "the model is damaged: weights of a trained model are below 100");
  for (int64_t r = 0; r < m.rows; ++r)
    for (int64_t c = 0; c < m.cols; ++c) {
      const auto at = static_cast<size_t>(r * m.cols + c);
      const double weight = static_cast<double>(w[at]);
      const double difference =
          weight - static_cast<double>(m.scales[static_cast<size_t>(r * m.groups() + c / m.group_size)]) * m.codes[at];
      solved.squared_weights += weight * weight;
      solved.squared_difference += difference * difference;
    }
  if (!std::isfinite(solved.squared_weights))
    throw bad_input(fmt::format("{}: a weight is not finite", where), "the model is damaged");
}

}  // namespace

Solved solve(const float* w, int64_t rows, int64_t cols, const Factor* factor, const Options& options, const std::string& where) {
  SPECTRA_CHECK(factor != nullptr || options.method == Method::kRtn);
  SPECTRA_CHECK(cols % options.group(cols) == 0, "{} columns in groups of {}", cols, options.group(cols));
  openblas_set_num_threads(1);
  Solved out;
  out.matrix = {rows, cols, options.bits, options.group(cols), {}, {}};
  out.matrix.codes.resize(static_cast<size_t>(rows * cols));
  out.matrix.scales.resize(static_cast<size_t>(rows * out.matrix.groups()));
  const int64_t pieces = (rows + kPieceRows - 1) / kPieceRows;
  std::vector<double> errors(static_cast<size_t>(pieces));
  std::vector<int64_t> clipped(static_cast<size_t>(pieces));
#pragma omp parallel for schedule(dynamic)
  for (int64_t i = 0; i < pieces; ++i) {
    const int64_t begin = i * kPieceRows;
    Piece piece(w, begin, std::min(kPieceRows, rows - begin), cols, factor, options, out);
    piece.run();
    errors[static_cast<size_t>(i)] = piece.error;
    clipped[static_cast<size_t>(i)] = piece.clipped;
  }
  for (const double e : errors) out.error += e;
  for (const int64_t c : clipped) out.clipped += c;
  measure(w, out, where);
  return out;
}

double output_energy(const float* w, const lowbit::QuantizedMatrix* q, int64_t rows, int64_t cols, const float* hessian) {
  openblas_set_num_threads(1);
  const int64_t pieces = (rows + kPieceRows - 1) / kPieceRows;
  std::vector<double> energies(static_cast<size_t>(pieces));
#pragma omp parallel for schedule(dynamic)
  for (int64_t i = 0; i < pieces; ++i) {
    const int64_t begin = i * kPieceRows, count = std::min(kPieceRows, rows - begin);
    std::vector<float> a(w + begin * cols, w + (begin + count) * cols), ah(a.size());
    if (q != nullptr)
      for (int64_t r = 0; r < count; ++r)
        for (int64_t c = 0; c < cols; ++c)
          a[static_cast<size_t>(r * cols + c)] -= q->scales[static_cast<size_t>((begin + r) * q->groups() + c / q->group_size)] *
                                                  static_cast<float>(q->codes[static_cast<size_t>((begin + r) * cols + c)]);
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, static_cast<blasint>(count), static_cast<blasint>(cols),
                static_cast<blasint>(cols), 1, a.data(), static_cast<blasint>(cols), hessian, static_cast<blasint>(cols), 0,
                ah.data(), static_cast<blasint>(cols));
    for (size_t k = 0; k < a.size(); ++k)
      energies[static_cast<size_t>(i)] += static_cast<double>(a[k]) * static_cast<double>(ah[k]);
  }
  double sum = 0;
  for (const double e : energies) sum += e;
  return sum;
}

}  // namespace spectra::quantize
