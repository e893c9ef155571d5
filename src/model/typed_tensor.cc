// SPDX-License-Identifier: Apache-2.0
#include "model/typed_tensor.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace spectra::model {

Error tensor_error(const format::ModelDirectory& directory, const std::string& tensor, const std::string& problem) {
  return bad_input(fmt::format("{}: tensor {}: {}", directory.path().string(), tensor, problem), kModelHint);
}

const format::TensorView& typed_tensor(const format::ModelDirectory& directory, const std::string& name, DType dtype,
                                       const std::vector<int64_t>& shape) {
  const format::TensorView& view = directory.get(name);
  if (view.dtype != dtype || view.shape != shape)
    throw tensor_error(directory, name,
                       fmt::format("is {} [{}], expected {} [{}]", dtype_name(view.dtype), fmt::join(view.shape, ", "),
                                   dtype_name(dtype), fmt::join(shape, ", ")));
  return view;
}

}  // namespace spectra::model
