// SPDX-License-Identifier: Apache-2.0
#include "quantize/moments.h"

#include <algorithm>

#include "ops/host_memory.h"

namespace spectra::quantize {

using ops::Tensor;

namespace {

/// Columns of a panel, but the last: narrow ones leave out nearly half of the work, and products with them are still fast.
constexpr int64_t kPanel = 256;

size_t square_bytes(int64_t size) { return static_cast<size_t>(size * size) * sizeof(float); }

/// Elements of H that are summed.
double summed(int64_t size) {
  double elements = 0;
  for (int64_t begin = 0; begin < size; begin += kPanel)
    elements += static_cast<double>(std::min(kPanel, size - begin)) * static_cast<double>(size - begin);
  return elements;
}

/// h (size, size) gets sums (rows, cols) at (row, col), and mirrored. Of a panel with itself, the upper triangle counts.
void place(float* h, int64_t size, int64_t row, int64_t rows, int64_t col, int64_t cols, const float* sums) {
  constexpr int64_t kTile = 32;  // rows and columns whose mirrored writes stay in the cache
#pragma omp parallel for
  for (int64_t top = 0; top < rows; top += kTile)
    for (int64_t left = 0; left < cols; left += kTile)
      for (int64_t r = top; r < std::min(rows, top + kTile); ++r)
        for (int64_t c = left; c < std::min(cols, left + kTile); ++c)
          if (row != col || c >= r) h[(row + r) * size + col + c] = h[(col + c) * size + row + r] = sums[r * cols + c];
}

}  // namespace

double MomentSums::flops(int64_t size, bool mixed) {
  return 2 * summed(size) + (mixed ? 2 * static_cast<double>(size) * static_cast<double>(size) : 0);
}

uint64_t MomentSums::bytes(int64_t size, bool mixed) {
  return static_cast<uint64_t>(summed(size)) * sizeof(float) + square_bytes(size) * (mixed ? 2 : 1);
}

MomentSums::MomentSums(ops::Backend& backend, int64_t size, bool mixed) : backend_(backend), size_(size) {
  for (int64_t begin = 0; begin < size; begin += kPanel) panels_.push_back({begin, std::min(kPanel, size - begin), {}, {}});
  for (size_t i = 0; i < panels_.size(); ++i)
    for (size_t j = i; j < panels_.size(); ++j)
      panels_[i].sums.push_back(backend.allocate(static_cast<size_t>(panels_[i].width * panels_[j].width) * sizeof(float)));
  if (mixed) mixed_ = backend.allocate(square_bytes(size));
}

Tensor MomentSums::columns(Panel& panel, const Tensor& x) {
  const size_t bytes = static_cast<size_t>(x.rows * panel.width) * dtype_size(x.dtype);
  if (panel.columns.size() < bytes) panel.columns = backend_.allocate(bytes);
  return {panel.columns.data(), x.dtype, x.rows, panel.width};
}

void MomentSums::add(const Tensor& x, const Tensor& full) {
  std::vector<Tensor> parts;
  for (Panel& panel : panels_) {
    parts.push_back(panels_.size() == 1 ? x : columns(panel, x));  // products want dense operands
    if (panels_.size() > 1) backend_.copy(parts.back(), x.col_range(panel.begin, panel.width));
  }
  for (size_t i = 0; i < parts.size(); ++i)
    for (size_t j = i; j < parts.size(); ++j)
      backend_.linear_dw({panels_[i].sums[j - i].data(), DType::kF32, panels_[i].width, panels_[j].width}, parts[i], parts[j]);
  if (mixed_.data() != nullptr) backend_.linear_dw({mixed_.data(), DType::kF32, size_, size_}, full, x);
}

Moments MomentSums::moments() {
  backend_.synchronize();
  inputs_ = ops::host_memory(square_bytes(size_));
  auto* h = static_cast<float*>(inputs_.data());
  for (size_t i = 0; i < panels_.size(); ++i)
    for (size_t j = i; j < panels_.size(); ++j)
      place(h, size_, panels_[i].begin, panels_[i].width, panels_[j].begin, panels_[j].width,
            static_cast<const float*>(panels_[i].sums[j - i].data()));
  panels_.clear();
  return {size_, h, static_cast<const float*>(mixed_.data())};
}

}  // namespace spectra::quantize
