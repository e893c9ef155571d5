// SPDX-License-Identifier: Apache-2.0
#include "quantize/moments.h"

namespace spectra::quantize {
namespace {

ops::Tensor square(const ops::Buffer& memory, int64_t size) { return {memory.data(), DType::kF32, size, size}; }

}  // namespace

MomentSums::MomentSums(ops::Backend& backend, int64_t size, bool mixed) : backend_(backend), size_(size) {
  const auto bytes = static_cast<size_t>(size * size) * sizeof(float);
  inputs_ = backend.allocate(bytes);
  if (mixed) mixed_ = backend.allocate(bytes);
}

void MomentSums::add(const ops::Tensor& x, const ops::Tensor& full) {
  backend_.linear_dw(square(inputs_, size_), x, x);
  if (mixed_.data() != nullptr) backend_.linear_dw(square(mixed_, size_), full, x);
}

Moments MomentSums::moments() const {
  backend_.synchronize();
  return {size_, static_cast<const float*>(inputs_.data()), static_cast<const float*>(mixed_.data())};
}

}  // namespace spectra::quantize
