// SPDX-License-Identifier: Apache-2.0
#pragma once
// Token rows in the form that matrices multiply, and the one rule by which a team of threads makes, rounds and awaits them:
//
//   one row    Every thread makes and rounds it for itself, in the slot of its rank: that is cheaper than to wait for another
//   thread.
//              Nobody waits.
//   many rows  Row t has slot t. A thread makes and rounds the rows that team.share(count) gives it; then all wait for each other,
//              since each multiplies all rows. Only fp32 rows that all threads could read from the start need no waiting.
//   again      Rows wanted in another form than before are rounded anew; many rows only after a wait, because other threads may
//   still
//              read the earlier form.
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/half.h"
#include "base/team.h"
#include "infer/activation_type.h"
#include "infer/weights.h"
#include "kernels/kernels.h"

namespace spectra::infer {

/// Memory for rounded rows, shared by a team.
struct RowBuffers {
  std::vector<bf16> bf16_values;
  std::vector<float> widened;  ///< bf16 as fp32, for dense weights of another type
  std::vector<int8_t> int8_values;
  std::vector<float> int8_scales;  ///< (slots)
  std::vector<int32_t> int8_sums;  ///< (slots, segments)
  int64_t slots = 0;

  /// Room for `wanted` rows as any of the matrices takes them.
  void reserve(std::span<const Linear* const> matrices, ActivationType type, int64_t wanted);
};

/// Rows as one thread of a team sees them. All threads call the same functions in the same order.
class RoundedRows {
 public:
  RoundedRows(Team& team, RowBuffers& buffers, ActivationType type, const kernels::Kernels& kernels)
      : team_(team), buffers_(buffers), type_(type), kernels_(kernels) {}

  /// Makes the rows that come next: fill(t, row) writes row t, `cols` floats. `memory` has room for `count` rows, and for one a
  /// thread.
  template <class Fill>
  void make(float* memory, int64_t count, int64_t cols, const Fill& fill) {
    set(count == 1 ? memory + team_.rank() * cols : memory, count, cols);
    const Team::Range mine = count == 1 ? Team::Range{0, 1} : team_.share(count);
    for (int64_t t = mine.begin; t < mine.end; ++t) fill(t, memory + slot(t) * cols);
    seen_by_all_ = count == 1;
  }
  /// Rows x (count, cols) come next, which all threads can read already.
  void set(const float* x, int64_t count, int64_t cols);

  /// Brings the rows into the form that w multiplies; this thread may then read all of them.
  void bring_to(const Linear& w);
  /// Rows in the form that one of the matrices takes serve the other too.
  bool alike(const Linear& a, const Linear& b) const { return same(form_of(a), form_of(b)); }

  ActivationType type() const { return type_; }
  int64_t count() const { return count_; }
  int64_t cols() const { return cols_; }
  const float* fp32() const { return x_; }  ///< (count, cols), as they were made

  // In the form of `bring_to`, without gaps for dense matrices (count, cols), else (count, padded_cols).
  const float* widened() const { return buffers_.widened.data() + slot(0) * stride(); }
  const bf16* bf16_values() const { return buffers_.bf16_values.data() + slot(0) * stride(); }
  kernels::Bf16Rows bf16_rows(int64_t begin, int64_t count) const;
  kernels::Int8Rows int8_rows(int64_t begin, int64_t count) const;
  int64_t stride() const { return form_->columns != nullptr ? form_->columns->padded_cols : cols_; }

 private:
  /// How rows are rounded for a matrix: where its columns lie. Null: without gaps, or fp32, which nothing moves.
  struct Form {
    const PackedLinear* columns;
  };
  static bool same(const Form& a, const Form& b);
  Form form_of(const Linear& w) const;
  int64_t slot(int64_t row) const { return count_ == 1 ? team_.rank() : row; }
  void round_row(const float* x, int64_t slot);
  void round_dense(const float* x, int64_t slot);
  void round_packed(const float* x, int64_t slot, const PackedLinear& columns);

  Team& team_;
  RowBuffers& buffers_;
  const ActivationType type_;
  const kernels::Kernels& kernels_;
  const float* x_ = nullptr;
  int64_t count_ = 0, cols_ = 0;
  bool seen_by_all_ = false;  ///< all threads can read x_
  std::optional<Form> form_;  ///< in which all threads can read the rows; none = not rounded yet
};

}  // namespace spectra::infer
