// SPDX-License-Identifier: Apache-2.0
#pragma once
// What the linear layers of a model hold: scales, zeros, bytes.
#include <cstdint>
#include <vector>

#include "format/model_directory.h"
#include "model/config.h"

namespace spectra::model {

struct MatrixStatistics {
  Parameter parameter;
  uint64_t bytes = 0;         ///< in the file: codes, scales and boundaries, or the whole unpacked matrix
  std::vector<float> scales;  ///< (S); empty for a float matrix
  int64_t zeros = 0;          ///< of a ternary matrix
};

struct WeightStatistics {
  Family family = Family::kFloat;
  /// config.json says float, yet every matrix is ternary or binary: a released TriLM as downloaded.
  bool family_from_weights = false;
  std::vector<MatrixStatistics> matrices;  ///< in file order, seven a layer
};

/// Reads every linear matrix, packed or not. Throws Error naming the tensor where one is missing, has another shape, is damaged,
/// or is not of the family that config.json states.
WeightStatistics weight_statistics(const format::ModelDirectory& directory, const Config& config);

}  // namespace spectra::model
