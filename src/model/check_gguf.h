// SPDX-License-Identifier: Apache-2.0
#pragma once
// Whether a GGUF file, whoever made it, holds a model's weights exactly.
#include <string>
#include <vector>

#include "model/convert.h"

namespace spectra::model {

struct GgufCheck {
  struct Tensor {
    std::string name, type;  ///< as in the file; type is empty where the file has none of this name
    std::string problem;     ///< why it could not be compared; else empty
    Difference difference;
    bool exact() const { return problem.empty() && difference.weights == 0; }
  };
  std::vector<Tensor> tensors;        ///< of the model, then what else the file holds
  std::vector<std::string> settings;  ///< "llama.rope.freq_base is 10000, the model has 500000"
  bool exact() const;
};

/// Compares every tensor of `file` with the weights of the model directory `model` (packed or not), value by value: zeros of either
/// sign are one. Throws Error (exit 3) where one of the two cannot be read at all.
GgufCheck check_gguf(const fs::path& file, const fs::path& model);

}  // namespace spectra::model
