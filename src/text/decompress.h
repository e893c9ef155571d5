// SPDX-License-Identifier: Apache-2.0
#pragma once
// Files as streams of bytes: plain, gzip, zstd or bzip2, told apart by their first bytes.
#include <cstdint>
#include <memory>
#include <string>

#include "base/file.h"

namespace spectra::text {

class ByteSource {
 public:
  /// Throws Error when the file cannot be opened, or is not compressed the way its name (.gz, .zst, .bz2) says.
  static std::unique_ptr<ByteSource> open(const fs::path& path);
  virtual ~ByteSource() = default;
  /// The next at most `size` bytes; 0 at the end. Throws Error naming file and offset when the stream is damaged or cut short.
  virtual size_t read(char* data, size_t size) = 0;
  /// Bytes of the file itself read so far: for progress.
  virtual uint64_t consumed() const = 0;
};

/// The whole contents, decompressed. Throws Error when they are more than `limit` bytes.
std::string read_decompressed(const fs::path& path, size_t limit = size_t{1} << 30);

}  // namespace spectra::text
