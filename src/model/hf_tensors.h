// SPDX-License-Identifier: Apache-2.0
#pragma once
// Tensors of any origin on their way into model.safetensors, row by row. For the converters.
#include <functional>
#include <string>
#include <vector>

#include "base/dtype.h"
#include "base/file.h"
#include "model/convert.h"

namespace spectra::model {

struct HfTensor {
  std::string name;
  std::vector<int64_t> shape;
  DType from;  ///< type of what `read` gives
  DType to;    ///< type to be written; another than `from` between floats only
  /// Row `row` (cols() elements of type `from`) into `out`.
  std::function<void(int64_t row, std::byte* out)> read;
  std::function<void()> done;  ///< called after the last row; may be empty

  int64_t cols() const { return shape.empty() ? 1 : shape.back(); }
  int64_t rows() const;
};

/// Whether every value of the tensor, which is F32, is a number of `type`. Reads all of it.
bool fits(const HfTensor& tensor, DType type);

/// Writes model.safetensors and adds what was written to `report`. Returns its sha256. Throws Error (exit 3) for a number that
/// becomes infinite in the type written.
std::string write_hf_tensors(const fs::path& file, const std::vector<HfTensor>& tensors, ConvertReport& report);
/// Bytes that it will take.
uint64_t hf_bytes(const std::vector<HfTensor>& tensors);

}  // namespace spectra::model
