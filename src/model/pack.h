// SPDX-License-Identifier: Apache-2.0
#pragma once
// Packing a model directory without changing one weight, and back.
#include <string>
#include <vector>

#include "base/file.h"
#include "lowbit/packed.h"

namespace spectra::model {

/// All matrices of one projection ("q_proj") over the layers.
struct PackedGroup {
  std::string projection;
  int64_t matrices = 0, rows = 0, cols = 0;
  int64_t shards = 0;  ///< the most that one matrix has
  std::string axis;    ///< "rows", "columns", "mixed"
  int64_t zeros = 0;   ///< codes 0 in all of them
  uint64_t bytes_before = 0, bytes_after = 0;
};

struct PackReport {
  std::vector<PackedGroup> groups;             ///< in the order of the layer
  int64_t negative_zeros = 0;                  ///< see lowbit::Codes
  int64_t other_shards = 0;                    ///< matrices with another number of scales than config.json says
  uint64_t bytes_before = 0, bytes_after = 0;  ///< all tensors of the model
  bool checksums_verified = false;             ///< false: the source has none, or the check was switched off
};

/// Packs every linear matrix of the model at `source` into `format` and writes the packed model to `out`, which must not exist (or
/// be empty); everything else is copied as stored. A matrix that is not low-bit is refused by name (Error, exit 3), and before
/// anything is written each packed matrix is unpacked again and compared bitwise with its source. `threads`: 0 = all cores.
PackReport pack_model(const fs::path& source, const fs::path& out, lowbit::Format format, bool verify_checksums = true,
                      int threads = 0);

struct UnpackReport {
  int64_t matrices = 0;
  std::string dtype;  ///< of the matrices: "F16"
  uint64_t bytes_before = 0, bytes_after = 0;
  bool checksums_verified = false;
};
/// The inverse: writes the tensors that pack_model read, bitwise. Of a quantized model (model/quantized_tensors.h): fp16 weights,
/// code times scale rounded. Throws Error (exit 3) naming a matrix whose codes are damaged.
UnpackReport unpack_model(const fs::path& source, const fs::path& out, bool verify_checksums = true);

}  // namespace spectra::model
