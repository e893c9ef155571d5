// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstdlib>

#include "base/error.h"
#include "format/torch_file.h"

/// Any bytes are a PyTorch file, every row of whose tensors can be read, or an Error; and the same of a pickle alone.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace spectra::format;
  try {
    for (const TorchTensor& tensor : parse_torch_file({reinterpret_cast<const std::byte*>(data), size}, "fuzz")) {
      if (tensor.storage.size() > size) std::abort();
      const std::vector<int64_t>& shape = tensor.view.shape;
      if (std::find(shape.begin(), shape.end(), 0) != shape.end()) continue;
      int64_t rows = 1;
      for (size_t i = 0; i + 1 < shape.size(); ++i) rows *= shape[i];
      const int64_t cols = shape.empty() ? 1 : shape.back();
      std::vector<std::byte> row(static_cast<size_t>(cols) * spectra::dtype_size(tensor.view.dtype));
      for (int64_t r = 0; r < rows; ++r) tensor.read_row(r, row.data());
    }
  } catch (const spectra::Error&) {
  }
  try {
    unpickle_tensors({reinterpret_cast<const char*>(data), size}, "fuzz");
  } catch (const spectra::Error&) {
  }
  return 0;
}
