// SPDX-License-Identifier: Apache-2.0
#pragma once
// Files as torch.save writes them, byte by byte: the pickle's operations and a zip file of stored entries.
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace spectra::test {

template <class T>
std::string little(T value) {
  return std::string(reinterpret_cast<const char*>(&value), sizeof(T));
}

namespace pickle {
inline std::string function(const std::string& module, const std::string& name) { return "c" + module + "\n" + name + "\n"; }
inline std::string text(const std::string& value) { return "X" + little(static_cast<uint32_t>(value.size())) + value; }
inline std::string number(int32_t value) { return "J" + little(value); }
inline std::string tuple(const std::vector<std::string>& items) {
  std::string bytes = "(";
  for (const std::string& item : items) bytes += item;
  return bytes + "t";
}
inline std::string numbers(const std::vector<int32_t>& values) {
  std::vector<std::string> items;
  for (const int32_t value : values) items.push_back(number(value));
  return tuple(items);
}
inline std::string storage(const std::string& type, const std::string& key, int32_t elements) {
  return tuple({text("storage"), function("torch", type), text(key), text("cpu"), number(elements)}) + "Q";
}
inline std::string dict(const std::string& items) { return function("collections", "OrderedDict") + ")R(" + items + "u"; }
inline std::string tensor(const std::string& storage, int32_t offset, const std::vector<int32_t>& shape,
                          const std::vector<int32_t>& strides) {
  return function("torch._utils", "_rebuild_tensor_v2") +
         tuple({storage, number(offset), numbers(shape), numbers(strides), "\x89", function("collections", "OrderedDict") + ")R"}) +
         "R";
}
inline std::string file(const std::string& body) { return "\x80\x02" + body + "."; }
}  // namespace pickle

/// A zip file of stored entries; `zip64`: sizes and places in extra fields.
inline std::string zip(const std::vector<std::pair<std::string, std::string>>& entries, bool zip64 = false) {
  std::string bytes, directory;
  for (const auto& [name, data] : entries) {
    const auto size = static_cast<uint32_t>(data.size());
    const auto name_size = static_cast<uint16_t>(name.size());
    const std::string extra = zip64 ? little<uint16_t>(1) + little<uint16_t>(24) + little<uint64_t>(size) + little<uint64_t>(size) +
                                          little<uint64_t>(bytes.size())
                                    : "";
    const std::string sizes = zip64 ? little(~0u) + little(~0u) : little(size) + little(size);
    directory += "PK\x01\x02" + std::string(4, '\0') + std::string(8, '\0') + std::string(4, '\0') + sizes + little(name_size) +
                 little(static_cast<uint16_t>(extra.size())) + std::string(10, '\0') +
                 (zip64 ? little(~0u) : little(static_cast<uint32_t>(bytes.size()))) + name + extra;
    bytes += "PK\x03\x04" + std::string(22, '\0') + little(name_size) + little<uint16_t>(0) + name + data;
  }
  const auto at = static_cast<uint32_t>(bytes.size()), size = static_cast<uint32_t>(directory.size());
  const auto count = static_cast<uint16_t>(entries.size());
  bytes += directory;
  if (zip64) {
    const uint64_t end64 = bytes.size();
    bytes += "PK\x06\x06" + little<uint64_t>(44) + std::string(12, '\0') + little<uint64_t>(count) + little<uint64_t>(count) +
             little<uint64_t>(size) + little<uint64_t>(at);
    bytes += "PK\x06\x07" + std::string(4, '\0') + little(end64) + std::string(4, '\1');
  }
  return bytes + "PK\x05\x06" + std::string(4, '\0') + little(count) + little(count) + little(size) +
         (zip64 ? little(~0u) : little(at)) + std::string(2, '\0');
}

}  // namespace spectra::test
