// SPDX-License-Identifier: Apache-2.0
#pragma once
// GGUF, the model file of ggml and llama.cpp, versions 2 and 3, little endian:
//
//   "GGUF", u32 version, u64 tensors, u64 values
//   values:   key, u32 kind, value. A text (and a key) is u64 length + bytes; an array is u32 kind, u64 count, elements
//   tensors:  name, u32 dimensions (1 to 4), u64 of each, the contiguous one first, u32 type, u64 offset in the data section
//   data:     from the next multiple of general.alignment (32 where absent), and so does each tensor in it
//
// Shapes are given here as elsewhere in spectra: rows first, columns (contiguous) last. Files come from strangers: everything is
// checked against the file's size before it is used, and nothing is allocated that the file's size does not justify.
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "format/ggml_blocks.h"

namespace spectra::format {

enum class GgufKind : uint32_t { kU8, kI8, kU16, kI16, kU32, kI32, kF32, kBool, kText, kArray, kU64, kI64, kF64 };

/// A value of the header; views into the file.
struct GgufValue {
  GgufKind kind;  ///< of the elements where it is an array
  bool array = false;
  uint64_t count = 1;                   ///< elements of an array
  std::span<const std::byte> numbers;   ///< `count` of `kind`, as stored; not for texts
  std::vector<std::string_view> texts;  ///< `count`, where kind is kText
};

struct GgufTensor {
  std::string name;
  GgmlType type;
  std::vector<int64_t> shape;  ///< rows first
  std::span<const std::byte> data;
  int64_t cols() const { return shape.back(); }
  int64_t rows() const;
};

/// The header. Getters throw Error naming file and key where a value is missing or of another kind; those with `absent` give that
/// where the key is not there.
struct GgufContents {
  std::string where;
  std::map<std::string, GgufValue> values;
  std::vector<GgufTensor> tensors;  ///< in file order

  const GgufValue* find(const std::string& key) const;
  int64_t integer(const std::string& key) const;
  int64_t integer(const std::string& key, int64_t absent) const;
  double number(const std::string& key, double absent) const;
  bool flag(const std::string& key, bool absent) const;
  std::string text(const std::string& key) const;
  std::string text(const std::string& key, const std::string& absent) const;
  const std::vector<std::string_view>& texts(const std::string& key) const;
  std::vector<int64_t> integers(const std::string& key) const;
  std::vector<float> floats(const std::string& key) const;
  /// nullptr where absent.
  const GgufTensor* tensor(const std::string& name) const;
};

/// The parser alone, for fuzzing: checks `bytes` as a whole file. Views live as long as `bytes`.
GgufContents parse_gguf(std::span<const std::byte> bytes, const std::string& where);

class GgufFile {
 public:
  explicit GgufFile(const fs::path& path) : file_(path), contents_(parse_gguf(file_.bytes(), path.string())) {}
  const fs::path& path() const { return file_.path(); }
  const GgufContents& contents() const { return contents_; }

 private:
  MappedFile file_;
  GgufContents contents_;
};
/// Whether the file begins with GGUF's four bytes.
bool is_gguf(const fs::path& path);

/// The values of a file to be written, in the order of the calls.
class GgufMetadata {
 public:
  void put(const std::string& key, uint32_t value);
  void put(const std::string& key, float value);
  void put(const std::string& key, bool value);
  void put(const std::string& key, const std::string& value);
  void put(const std::string& key, const char* value) { put(key, std::string(value)); }
  void put(const std::string& key, const std::vector<std::string>& values);
  void put(const std::string& key, const std::vector<int32_t>& values);
  void put(const std::string& key, const std::vector<float>& values);
  uint64_t count() const { return count_; }
  const std::string& bytes() const { return bytes_; }

 private:
  void key(const std::string& key, GgufKind kind);
  uint64_t count_ = 0;
  std::string bytes_;
};

/// Writes a file that appears whole or not at all: declare all tensors, write the data of each in the same order, commit.
class GgufWriter {
 public:
  struct Entry {
    std::string name;
    GgmlType type;
    std::vector<int64_t> shape;  ///< rows first; columns are whole blocks
  };
  /// Throws Error (exit 3) when `path` exists.
  GgufWriter(const fs::path& path, const GgufMetadata& metadata, std::vector<Entry> entries);
  /// The data of the next tensor, whole or in pieces.
  void write(const void* data, size_t bytes);
  uint64_t size() const { return file_.size(); }
  /// Checks that exactly the declared bytes were written.
  void commit();

 private:
  void pad();
  AtomicFile file_;
  std::vector<Entry> entries_;
  size_t current_ = 0;     ///< index of the tensor being written
  uint64_t expected_ = 0;  ///< bytes of it that are still to come
};
uint64_t entry_bytes(const GgufWriter::Entry& entry);

}  // namespace spectra::format
