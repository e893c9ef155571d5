// SPDX-License-Identifier: Apache-2.0
#pragma once
// pytorch_model.bin: a zip file (format/zip.h) with STEM/data.pkl, the pickle that names the tensors (format/unpickler.h), and
// STEM/data/KEY, the storages they are views into. Several tensors may share a storage, transposed or cut.
#include <map>
#include <string>
#include <vector>

#include "base/file.h"
#include "format/unpickler.h"

namespace spectra::format {

struct TorchTensor {
  PickledTensor view;
  std::span<const std::byte> storage;
  /// Row `row` of the tensor as rows of its last dimension, in order, into `out`.
  void read_row(int64_t row, std::byte* out) const;
};

/// The parser alone, for fuzzing. Views live as long as `bytes`. Throws Error naming `where`.
std::vector<TorchTensor> parse_torch_file(std::span<const std::byte> bytes, const std::string& where);

class TorchFile {
 public:
  explicit TorchFile(const fs::path& path) : file_(path), tensors_(parse_torch_file(file_.bytes(), path.string())) {}
  const fs::path& path() const { return file_.path(); }
  const std::vector<TorchTensor>& tensors() const { return tensors_; }

 private:
  MappedFile file_;
  std::vector<TorchTensor> tensors_;
};

}  // namespace spectra::format
