// SPDX-License-Identifier: Apache-2.0
#pragma once
// Tensors of a model's files that must be as its config.json says.
#include <cstdint>
#include <string>
#include <vector>

#include "base/dtype.h"
#include "base/error.h"
#include "format/model_directory.h"

namespace spectra::model {

/// What to do about a tensor that is not as expected.
constexpr const char* kModelHint = "the model is damaged, or its config.json is of another one; make it again";
/// The error that names the model, its tensor and the problem (exit 3).
Error tensor_error(const format::ModelDirectory& directory, const std::string& tensor, const std::string& problem);
/// The tensor of this name. Throws Error unless it is of this type and shape.
const format::TensorView& typed_tensor(const format::ModelDirectory& directory, const std::string& name, DType dtype,
                                       const std::vector<int64_t>& shape);

}  // namespace spectra::model
