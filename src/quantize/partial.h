// SPDX-License-Identifier: Apache-2.0
#pragma once
// Finished blocks of an unfinished job, in a directory beside the output:
//
//   job.json                  what decides the result; another job must not go on from here
//   block-00012.safetensors   of each linear "X.weight" of the block: X.weight_codes I8 (rows, cols), X.weight_scales F32 (rows,
//                             groups); metadata "linears": a JSON array of what is reported of them
//
// A block's file appears whole or not at all.
#include <map>
#include <string>
#include <vector>

#include "base/file.h"
#include "lowbit/quantized.h"
#include "quantize/job.h"

namespace spectra::quantize {

struct FinishedBlock {
  std::map<std::string, lowbit::QuantizedMatrix> matrices;  ///< by parameter name
  std::vector<LinearReport> linears;
};

class Partial {
 public:
  /// Opens or makes the directory. `fingerprint`: a JSON object. Throws Error (exit 3) where it belongs to another job, naming what
  /// differs.
  Partial(const fs::path& path, const std::string& fingerprint, int bits);
  const fs::path& path() const { return path_; }
  bool has(int64_t block) const;
  void save(int64_t block, const FinishedBlock& finished) const;
  /// Throws Error where the file is damaged.
  FinishedBlock load(int64_t block) const;
  /// One matrix.
  lowbit::QuantizedMatrix matrix(int64_t block, const std::string& parameter) const;
  void remove() const;

 private:
  fs::path file(int64_t block) const;
  fs::path path_;
  int bits_;
};

}  // namespace spectra::quantize
