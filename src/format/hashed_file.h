// SPDX-License-Identifier: Apache-2.0
#pragma once
// A file written and hashed in one pass.
#include <string>

#include "base/file.h"
#include "base/hash.h"

namespace spectra::format {

class HashedFile {
 public:
  explicit HashedFile(const fs::path& path) : file_(path) {}
  void write(const void* data, size_t bytes) {
    hash_.update(data, bytes);
    file_.write(data, bytes);
  }
  uint64_t size() const { return file_.size(); }
  /// Everything is on disk afterwards. Returns the sha256 of the file.
  std::string close() {
    file_.close();
    return hash_.hex();
  }

 private:
  OutputFile file_;
  Sha256 hash_;
};

}  // namespace spectra::format
