// SPDX-License-Identifier: Apache-2.0
#pragma once
// Where quantizing hurts: the error of every linear layer of a model, a row a block and a column a projection, darker where larger.
#include <map>
#include <string>
#include <vector>

#include "base/file.h"

namespace spectra::analysis {

struct QuantizedModel {
  std::string name, method;
  int bits = 0;
  int64_t group_size = -1;
  double float_perplexity = 0, quantized_perplexity = 0;    ///< NaN without calibration
  bool of_outputs = false;                                  ///< errors of outputs (every layer has one), not of weights
  std::vector<std::string> projections;                     ///< in the order of the file
  std::map<int64_t, std::map<std::string, double>> errors;  ///< by block and projection, relative
};

/// What `spectra quantize --json` printed. Throws Error (exit 3) for anything else.
QuantizedModel read_quantized(const fs::path& path);
/// HTML with one table a model; empty without models.
std::string error_maps(const std::vector<QuantizedModel>& models);

}  // namespace spectra::analysis
