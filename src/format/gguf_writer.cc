// SPDX-License-Identifier: Apache-2.0
#include <set>

#include "base/error.h"
#include "format/gguf.h"

namespace spectra::format {
namespace {

constexpr uint64_t kAlignment = 32;

template <class T>
void append(std::string& bytes, T value) {
  bytes.append(reinterpret_cast<const char*>(&value), sizeof(T));  // little endian, as the machines we build for
}
void append_text(std::string& bytes, const std::string& text) {
  append<uint64_t>(bytes, text.size());
  bytes += text;
}
void append_array(std::string& bytes, GgufKind kind, size_t count) {
  append(bytes, static_cast<uint32_t>(kind));
  append<uint64_t>(bytes, count);
}

uint64_t aligned(uint64_t bytes) { return (bytes + kAlignment - 1) / kAlignment * kAlignment; }

std::string make_header(const GgufMetadata& metadata, const std::vector<GgufWriter::Entry>& entries) {
  std::string bytes = "GGUF";
  append<uint32_t>(bytes, 3);
  append<uint64_t>(bytes, entries.size());
  append<uint64_t>(bytes, metadata.count());
  bytes += metadata.bytes();
  std::set<std::string> names;
  uint64_t offset = 0;
  for (const GgufWriter::Entry& entry : entries) {
    SPECTRA_CHECK(names.insert(entry.name).second, "tensor {} declared twice", entry.name);
    append_text(bytes, entry.name);
    append<uint32_t>(bytes, static_cast<uint32_t>(entry.shape.size()));
    for (size_t i = entry.shape.size(); i-- > 0;) append<uint64_t>(bytes, static_cast<uint64_t>(entry.shape[i]));
    append(bytes, static_cast<uint32_t>(entry.type));
    append(bytes, offset);
    offset += aligned(entry_bytes(entry));
  }
  bytes.resize(aligned(bytes.size()), '\0');
  return bytes;
}

}  // namespace

uint64_t entry_bytes(const GgufWriter::Entry& entry) {
  uint64_t rows = 1;
  for (size_t i = 0; i + 1 < entry.shape.size(); ++i) rows *= static_cast<uint64_t>(entry.shape[i]);
  return rows * static_cast<uint64_t>(ggml_row_bytes(entry.type, entry.shape.back()));
}

void GgufMetadata::key(const std::string& key, GgufKind kind) {
  append_text(bytes_, key);
  append(bytes_, static_cast<uint32_t>(kind));
  ++count_;
}
void GgufMetadata::put(const std::string& name, uint32_t value) {
  key(name, GgufKind::kU32);
  append(bytes_, value);
}
void GgufMetadata::put(const std::string& name, float value) {
  key(name, GgufKind::kF32);
  append(bytes_, value);
}
void GgufMetadata::put(const std::string& name, bool value) {
  key(name, GgufKind::kBool);
  append<uint8_t>(bytes_, value ? 1 : 0);
}
void GgufMetadata::put(const std::string& name, const std::string& value) {
  key(name, GgufKind::kText);
  append_text(bytes_, value);
}
void GgufMetadata::put(const std::string& name, const std::vector<std::string>& values) {
  key(name, GgufKind::kArray);
  append_array(bytes_, GgufKind::kText, values.size());
  for (const std::string& value : values) append_text(bytes_, value);
}
void GgufMetadata::put(const std::string& name, const std::vector<int32_t>& values) {
  key(name, GgufKind::kArray);
  append_array(bytes_, GgufKind::kI32, values.size());
  for (const int32_t value : values) append(bytes_, value);
}
void GgufMetadata::put(const std::string& name, const std::vector<float>& values) {
  key(name, GgufKind::kArray);
  append_array(bytes_, GgufKind::kF32, values.size());
  for (const float value : values) append(bytes_, value);
}

GgufWriter::GgufWriter(const fs::path& path, const GgufMetadata& metadata, std::vector<Entry> entries)
    : file_(path), entries_(std::move(entries)) {
  const std::string header = make_header(metadata, entries_);
  file_.write(header.data(), header.size());
  if (!entries_.empty()) expected_ = entry_bytes(entries_[0]);
}

void GgufWriter::write(const void* data, size_t bytes) {
  SPECTRA_CHECK(current_ < entries_.size() && bytes <= expected_, "tensor {} of {}: {} bytes, {} expected", current_,
                entries_.size(), bytes, expected_);
  file_.write(data, bytes);
  expected_ -= bytes;
  if (expected_ == 0) pad();
}

void GgufWriter::pad() {
  const std::string zeros(aligned(file_.size()) - file_.size(), '\0');
  file_.write(zeros.data(), zeros.size());
  ++current_;
  if (current_ < entries_.size()) expected_ = entry_bytes(entries_[current_]);
}

void GgufWriter::commit() {
  SPECTRA_CHECK(current_ == entries_.size(), "{} of {} tensors written", current_, entries_.size());
  file_.commit();
}

}  // namespace spectra::format
