// SPDX-License-Identifier: Apache-2.0
#pragma once
// The part of the zip format that PyTorch writes: stored (uncompressed) entries, zip64 where sizes need it. Read from the central
// directory at the end of the file; everything is checked against the file's size.
#include <cstddef>
#include <span>
#include <string>
#include <vector>

namespace spectra::format {

struct ZipEntry {
  std::string name;
  std::span<const std::byte> data;
};

/// The entries of `bytes`, a whole file. Throws Error naming `where` for damage, compressed or encrypted entries, and entries that
/// overlap or have one name.
std::vector<ZipEntry> parse_zip(std::span<const std::byte> bytes, const std::string& where);

}  // namespace spectra::format
