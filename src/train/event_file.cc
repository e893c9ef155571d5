// SPDX-License-Identifier: Apache-2.0
#include "train/event_file.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdlib>
#include <cstring>

#include "base/error.h"

namespace spectra::train {
namespace {

constexpr const char* kPrefix = "events.out.tfevents.";
constexpr size_t kHeaderBytes = 12, kFooterBytes = 4;

std::array<uint32_t, 256> make_crc_table() {
  std::array<uint32_t, 256> table{};
  for (uint32_t i = 0; i < 256; ++i) {
    uint32_t crc = i;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ (crc & 1 ? 0x82f63b78u : 0u);
    table[i] = crc;
  }
  return table;
}

uint32_t masked_crc(std::string_view bytes) {
  const uint32_t crc = crc32c(bytes);
  return ((crc >> 15) | (crc << 17)) + 0xa282ead8u;
}

template <class T>
std::string raw(T value) {  // this machine is little-endian, as the format is
  std::string bytes(sizeof(value), '\0');
  std::memcpy(bytes.data(), &value, sizeof(value));
  return bytes;
}

std::string record(const std::string& message) {
  const std::string length = raw(static_cast<uint64_t>(message.size()));
  return length + raw(masked_crc(length)) + message + raw(masked_crc(message));
}

// --- protobuf's wire format: a field is a varint (number << 3 | type) and its value ---------------------------------

enum WireType : uint32_t { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };

std::string varint(uint64_t value) {
  std::string bytes;
  for (; value >= 128; value >>= 7) bytes += static_cast<char>(value | 128);
  return bytes + static_cast<char>(value);
}
std::string key(uint32_t number, WireType type) { return varint(number << 3 | type); }
std::string number_field(uint32_t number, int64_t value) { return key(number, kVarint) + varint(static_cast<uint64_t>(value)); }
std::string bytes_field(uint32_t number, const std::string& bytes) { return key(number, kBytes) + varint(bytes.size()) + bytes; }
std::string double_field(uint32_t number, double value) { return key(number, kFixed64) + raw(value); }
std::string float_field(uint32_t number, float value) { return key(number, kFixed32) + raw(value); }

double seconds_now() { return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count(); }
std::string event(int64_t step, const std::string& what) {
  return record(double_field(1, seconds_now()) + number_field(2, step) + what);
}

/// The step of an event that event() wrote: field 2 follows the nine bytes of wall_time.
int64_t step_of(std::string_view message) {
  constexpr size_t kStepKey = 9;
  if (message.size() <= kStepKey || message[kStepKey] != static_cast<char>(2 << 3 | kVarint)) return 0;
  uint64_t step = 0;
  for (size_t i = kStepKey + 1, shift = 0; i < message.size() && shift < 64; ++i, shift += 7) {
    step |= static_cast<uint64_t>(message[i] & 127) << shift;
    if ((message[i] & 128) == 0) break;
  }
  return static_cast<int64_t>(step);
}

/// Bytes of whole records up to the first that is torn or damaged or of a later step than `last_step`.
uint64_t bytes_until(std::string_view bytes, int64_t last_step) {
  size_t at = 0;
  while (bytes.size() - at >= kHeaderBytes + kFooterBytes) {
    uint64_t length = 0;
    uint32_t crc = 0;
    std::memcpy(&length, bytes.data() + at, sizeof(length));
    std::memcpy(&crc, bytes.data() + at + sizeof(length), sizeof(crc));
    if (crc != masked_crc(bytes.substr(at, sizeof(length))) || length > bytes.size() - at - kHeaderBytes - kFooterBytes) break;
    if (step_of(bytes.substr(at + kHeaderBytes, length)) > last_step) break;
    at += kHeaderBytes + length + kFooterBytes;
  }
  return at;
}

std::vector<fs::path> event_files(const fs::path& directory) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(directory))
    if (entry.path().filename().string().rfind(kPrefix, 0) == 0) files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  return files;
}

/// A name that sorts after those of earlier starts, also where the clock went back: readers go through files in this order.
fs::path new_name(const fs::path& directory) {
  auto seconds = static_cast<uint64_t>(seconds_now());
  const std::vector<fs::path> earlier = event_files(directory);
  if (!earlier.empty())
    seconds = std::max<uint64_t>(seconds, std::strtoull(earlier.back().filename().c_str() + std::strlen(kPrefix), nullptr, 10) + 1);
  char host[256] = "localhost";
  ::gethostname(host, sizeof(host) - 1);
  return directory / fmt::format("{}{:010d}.{}.{}", kPrefix, seconds, host, ::getpid());
}

}  // namespace

uint32_t crc32c(std::string_view bytes) {
  static const std::array<uint32_t, 256> table = make_crc_table();
  uint32_t crc = ~0u;
  for (const char byte : bytes) crc = (crc >> 8) ^ table[(crc ^ static_cast<uint8_t>(byte)) & 255];
  return ~crc;
}

EventFile::EventFile(const fs::path& directory, int64_t last_step) : directory_(directory) {
  for (const fs::path& path : event_files(directory)) {
    uint64_t kept = 0;
    {
      const MappedFile file(path);
      kept = bytes_until({reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()}, last_step);
      if (kept == file.bytes().size()) continue;
    }
    fs::resize_file(path, kept);
  }
}

void EventFile::add(int64_t step, const std::vector<Scalar>& values) {
  std::string records;
  if (!file_) {
    file_ = std::make_unique<AppendFile>(new_name(directory_));
    records = event(0, bytes_field(3, "brain.Event:2")) + event(step, bytes_field(7, number_field(1, 1)));
  }
  std::string summary;
  for (const Scalar& value : values)
    summary += bytes_field(1, bytes_field(1, value.first) + float_field(2, static_cast<float>(value.second)));
  file_->append(records + event(step, bytes_field(5, summary)));
}

}  // namespace spectra::train
