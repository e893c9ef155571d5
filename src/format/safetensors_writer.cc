// SPDX-License-Identifier: Apache-2.0
#include <nlohmann/json.hpp>
#include <set>

#include "base/error.h"
#include "format/hashed_file.h"
#include "format/safetensors.h"

namespace spectra::format {
namespace {

constexpr size_t kHeaderAlignment = 64;  // a cache line, and the widest vector register

/// Length and JSON header, filled with spaces to a multiple of kHeaderAlignment.
std::string make_header(const std::vector<SafetensorsWriter::Entry>& entries, std::map<std::string, std::string> metadata) {
  metadata.emplace("format", "pt");
  nlohmann::ordered_json header;
  header["__metadata__"] = metadata;
  uint64_t begin = 0;
  std::set<std::string> names;
  for (const auto& entry : entries) {
    SPECTRA_CHECK(names.insert(entry.name).second, "tensor {} declared twice", entry.name);
    const uint64_t end = begin + entry_bytes(entry);
    header[entry.name] = {{"dtype", dtype_name(entry.dtype)}, {"shape", entry.shape}, {"data_offsets", {begin, end}}};
    begin = end;
  }
  std::string text = header.dump();
  text.append((kHeaderAlignment - (8 + text.size()) % kHeaderAlignment) % kHeaderAlignment, ' ');
  std::string bytes(8, '\0');
  for (size_t i = 0; i < 8; ++i) bytes[i] = static_cast<char>((text.size() >> (8 * i)) & 0xff);
  return bytes + text;
}

}  // namespace

uint64_t entry_bytes(const SafetensorsWriter::Entry& entry) {
  uint64_t bytes = dtype_size(entry.dtype);
  for (const int64_t extent : entry.shape) bytes *= static_cast<uint64_t>(extent);
  return bytes;
}

struct SafetensorsWriter::State {
  HashedFile file;
  uint64_t expected = 0;  ///< whole file, bytes
  explicit State(const fs::path& path) : file(path) {}
};

SafetensorsWriter::SafetensorsWriter(const fs::path& path, std::vector<Entry> entries, std::map<std::string, std::string> metadata)
    : state_(std::make_shared<State>(path)) {
  const std::string header = make_header(entries, std::move(metadata));
  state_->expected = header.size();
  for (const Entry& entry : entries) state_->expected += entry_bytes(entry);
  state_->file.write(header.data(), header.size());
}

void SafetensorsWriter::write(const void* data, size_t bytes) {
  SPECTRA_CHECK(state_->file.size() + bytes <= state_->expected, "{} of {} bytes written, {} more", state_->file.size(),
                state_->expected, bytes);
  state_->file.write(data, bytes);
}

std::string SafetensorsWriter::close() {
  SPECTRA_CHECK(state_->file.size() == state_->expected, "{} of {} bytes written", state_->file.size(), state_->expected);
  return state_->file.close();
}

}  // namespace spectra::format
