// SPDX-License-Identifier: Apache-2.0
#pragma once
// safetensors: u64 little-endian header length N (<= 100 MB), N bytes of JSON, then the data section. Each tensor has dtype,
// shape and [begin, end) relative to the data section; the section is covered without holes or overlaps. Files come from
// strangers: everything is checked against the file's size before a byte is used.
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/dtype.h"
#include "base/file.h"

namespace spectra::format {

/// A tensor in a mapped file; `data` lives as long as the file object.
struct TensorView {
  std::string name;
  DType dtype;
  std::vector<int64_t> shape;
  std::span<const std::byte> data;
  int64_t elements() const;
};

class SafetensorsFile {
 public:
  /// Maps and checks the whole structure. Throws Error naming file and tensor.
  explicit SafetensorsFile(const fs::path& path, Backing backing = Backing::kMapped);
  const std::vector<TensorView>& tensors() const { return tensors_; }
  const std::map<std::string, std::string>& metadata() const { return metadata_; }
  const fs::path& path() const { return file_.path(); }

 private:
  MappedFile file_;
  std::vector<TensorView> tensors_;
  std::map<std::string, std::string> metadata_;
};
/// The parser alone, for fuzzing: checks `bytes` as a whole file. `where`: for messages.
std::vector<TensorView> parse_safetensors(std::span<const std::byte> bytes, const std::string& where,
                                          std::map<std::string, std::string>* metadata = nullptr);

/// Writes tensors in the order given to add(); the data section starts at a multiple of 64 bytes of the file, and so does every
/// tensor of an even number of 64 bytes. Usage: declare all tensors, then write the data of each in the same order, then close.
class SafetensorsWriter {
 public:
  struct Entry {
    std::string name;
    DType dtype;
    std::vector<int64_t> shape;
  };
  /// Writes the header. `metadata` always gets {"format": "pt"}, which transformers wants.
  SafetensorsWriter(const fs::path& path, std::vector<Entry> entries, std::map<std::string, std::string> metadata = {});
  /// The data of the next tensor, whole or in pieces, in order.
  void write(const void* data, size_t bytes);
  /// Checks that exactly the declared bytes were written, flushes to disk. Returns the file's sha256.
  std::string close();

 private:
  struct State;
  std::shared_ptr<State> state_;
};

/// Bytes of the entry's data.
uint64_t entry_bytes(const SafetensorsWriter::Entry& entry);

}  // namespace spectra::format
