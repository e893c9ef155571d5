// SPDX-License-Identifier: Apache-2.0
#include <cstring>

#include "base/error.h"
#include "base/half.h"
#include "format/model_directory.h"

namespace spectra::format {
namespace {

/// Files of other tools do not align their tensors: memcpy, which the compiler turns into plain loads.
template <class T, class Convert>
void convert(const TensorView& view, float* out, const Convert& to) {
  const size_t count = view.data.size() / sizeof(T);
  for (size_t i = 0; i < count; ++i) {
    T value;
    std::memcpy(&value, view.data.data() + i * sizeof(T), sizeof(T));
    out[i] = to(value);
  }
}

}  // namespace

void read_floats(const TensorView& view, float* out) {
  switch (view.dtype) {
    case DType::kF32:
      if (!view.data.empty()) std::memcpy(out, view.data.data(), view.data.size());
      return;
    case DType::kF16:
      return convert<fp16>(view, out, [](fp16 value) { return to_float(value); });
    case DType::kBf16:
      return convert<bf16>(view, out, [](bf16 value) { return to_float(value); });
    case DType::kF64:
      return convert<double>(view, out, [](double value) { return static_cast<float>(value); });
    default:
      throw bad_input(fmt::format("tensor {} has dtype {}, expected F32, F16, BF16 or F64", view.name, dtype_name(view.dtype)));
  }
}

}  // namespace spectra::format
