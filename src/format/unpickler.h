// SPDX-License-Identifier: Apache-2.0
#pragma once
// Reads the pickle inside a PyTorch file: a dict of name -> tensor. A pickle is a program that may call anything; this one knows
// the few operations that such files need and calls nothing: names of functions are compared with a list, and whatever is not on it
// is refused. Protocols 2 to 4.
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/dtype.h"

namespace spectra::format {

/// A tensor as a view into a storage (in elements).
struct PickledTensor {
  std::string name;
  std::string storage;       ///< key: the zip entry data/KEY
  DType dtype = DType::kU8;  ///< of the storage
  int64_t numel = 0;         ///< elements of the storage
  int64_t offset = 0;        ///< of the first element
  std::vector<int64_t> shape, strides;
};

/// Throws Error naming `where`: damage, a function that is not on the list, anything but a dict of tensors, or a view that leaves
/// its storage or repeats elements of it.
std::vector<PickledTensor> unpickle_tensors(std::string_view pickle, const std::string& where);

}  // namespace spectra::format
