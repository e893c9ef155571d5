// SPDX-License-Identifier: Apache-2.0
#include "infer/cpu/rounded_rows.h"

#include <algorithm>
#include <variant>

#include "base/error.h"

namespace spectra::infer {
void RowBuffers::reserve(std::span<const Linear* const> matrices, ActivationType type, int64_t wanted) {
  if (wanted <= slots) return;
  slots = wanted;
  int64_t cols = 0, padded = 0, segments = 1;
  for (const Linear* w : matrices) {
    cols = std::max(cols, w->cols);
    padded = std::max(padded, w->cols);
    if (const auto* p = std::get_if<PackedLinear>(&w->weight)) {
      padded = std::max(padded, p->padded_cols);
      segments = std::max(segments, static_cast<int64_t>(p->columns.size()));
    }
  }
  if (type == ActivationType::kBf16) {
    bf16_values.resize(static_cast<size_t>(slots * padded));
    widened.resize(static_cast<size_t>(slots * cols));
  }
  if (type == ActivationType::kInt8) {
    int8_values.resize(static_cast<size_t>(slots * padded));
    int8_scales.resize(static_cast<size_t>(slots));
    int8_sums.resize(static_cast<size_t>(slots * segments));
  }
}

void RoundedRows::set(const float* x, int64_t count, int64_t cols) {
  x_ = x;
  count_ = count;
  cols_ = cols;
  seen_by_all_ = true;
  form_.reset();
}

bool RoundedRows::same(const Form& a, const Form& b) {
  if (a.columns == nullptr || b.columns == nullptr) return a.columns == b.columns;
  return a.columns->same_columns(*b.columns);
}

RoundedRows::Form RoundedRows::form_of(const Linear& w) const {
  return {type_ == ActivationType::kFp32 ? nullptr : std::get_if<PackedLinear>(&w.weight)};
}

void RoundedRows::bring_to(const Linear& w) {
  const Form wanted = form_of(w);
  if (form_ && same(*form_, wanted)) return;
  const bool many = count_ > 1, again = form_.has_value(), rounds = type_ != ActivationType::kFp32;
  if (many && again) team_.barrier();
  form_ = wanted;
  const Team::Range mine = many ? team_.share(count_) : Team::Range{0, 1};
  for (int64_t t = mine.begin; t < mine.end && rounds; ++t) round_row(x_ + t * cols_, slot(t));
  if (many && (rounds || !seen_by_all_)) team_.barrier();
}

/// x (cols) to a slot of the buffers.
void RoundedRows::round_row(const float* x, int64_t slot) {
  if (form_->columns == nullptr)
    round_dense(x, slot);
  else
    round_packed(x, slot, *form_->columns);
}

/// bf16; widened again for weights that are not bf16.
void RoundedRows::round_dense(const float* x, int64_t slot) {
  SPECTRA_CHECK(type_ == ActivationType::kBf16, "int8 activations are for packed weights");
  const auto cols = static_cast<size_t>(cols_);
  bf16* values = buffers_.bf16_values.data() + slot * cols_;
  kernels_.to_bf16(values, x, cols);
  std::transform(values, values + cols, buffers_.widened.data() + slot * cols_, [](bf16 value) { return to_float(value); });
}

void RoundedRows::round_packed(const float* x, int64_t slot, const PackedLinear& columns) {
  const auto width = static_cast<size_t>(lowbit::group_columns(columns.matrix.layout.format));
  const size_t segments = columns.columns.size();
  const bool int8 = type_ == ActivationType::kInt8;
  const float scale = int8 ? kernels_.absmax(x, static_cast<size_t>(cols_)) / 127.0f : 0.0f;
  if (int8) buffers_.int8_scales[static_cast<size_t>(slot)] = scale;
  size_t at = static_cast<size_t>(slot * columns.padded_cols);
  for (size_t s = 0; s < segments; ++s) {
    const size_t here = columns.columns[s], padded = columns.groups[s] * width;
    if (int8) {
      int8_t* values = buffers_.int8_values.data() + at;
      buffers_.int8_sums[static_cast<size_t>(slot) * segments + s] = kernels_.quantize_i8(values, x, here, scale);
      std::fill(values + here, values + padded, int8_t{0});
    } else {
      bf16* values = buffers_.bf16_values.data() + at;
      kernels_.to_bf16(values, x, here);
      std::fill(values + here, values + padded, bf16{0});
    }
    x += here;
    at += padded;
  }
}

kernels::Bf16Rows RoundedRows::bf16_rows(int64_t begin, int64_t count) const {
  return {bf16_values() + begin * stride(), static_cast<size_t>(stride()), static_cast<size_t>(count)};
}

kernels::Int8Rows RoundedRows::int8_rows(int64_t begin, int64_t count) const {
  const int64_t first = slot(0) + begin, segments = static_cast<int64_t>(form_->columns->columns.size());
  return {buffers_.int8_values.data() + first * stride(), static_cast<size_t>(stride()), static_cast<size_t>(count),
          buffers_.int8_sums.data() + first * segments, buffers_.int8_scales.data() + first};
}

}  // namespace spectra::infer
