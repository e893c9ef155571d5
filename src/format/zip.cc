// SPDX-License-Identifier: Apache-2.0
#include "format/zip.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <optional>
#include <set>

#include "base/error.h"

namespace spectra::format {
namespace {

using Bytes = std::span<const std::byte>;

constexpr const char* kZipHint = "the file is damaged or incomplete; download or save it again";
constexpr uint64_t kEndBytes = 22, kLocatorBytes = 20, kEnd64Bytes = 56, kEntryBytes = 46, kLocalBytes = 30;
constexpr uint64_t kLongestComment = 65535;
constexpr uint32_t kEndMark = 0x06054b50, kLocatorMark = 0x07064b50, kEnd64Mark = 0x06064b50, kEntryMark = 0x02014b50,
                   kLocalMark = 0x04034b50;

class Reader {
 public:
  Reader(Bytes bytes, const std::string& where) : bytes_(bytes), where_(where) {}
  [[noreturn]] void fail(const std::string& problem) const { throw bad_input(fmt::format("{}: {}", where_, problem), kZipHint); }
  uint64_t size() const { return bytes_.size(); }
  /// Checked: [at, at + count) lies in the file.
  Bytes part(uint64_t at, uint64_t count, const char* what) const {
    if (at > bytes_.size() || count > bytes_.size() - at)
      fail(fmt::format("{} of {} bytes at byte {} lies outside the file of {}", what, count, at, bytes_.size()));
    return bytes_.subspan(at, count);
  }

 private:
  Bytes bytes_;
  const std::string& where_;
};

/// Little-endian number of `count` bytes at `at` of a checked part.
uint64_t number(Bytes part, size_t at, size_t count) {
  uint64_t value = 0;
  std::memcpy(&value, part.data() + at, count);
  return value;
}

struct Directory {
  uint64_t entries, bytes, at;
};

Directory find_directory(const Reader& file) {
  if (file.size() < kEndBytes) file.fail("is not a zip file");
  uint64_t at = file.size() - kEndBytes;
  const uint64_t stop = at > kLongestComment ? at - kLongestComment : 0;
  while (number(file.part(at, 4, "mark"), 0, 4) != kEndMark) {
    if (at == stop) file.fail("is not a zip file, or its end is missing");
    --at;
  }
  const Bytes end = file.part(at, kEndBytes, "end of the zip directory");
  const Directory directory{number(end, 10, 2), number(end, 12, 4), number(end, 16, 4)};
  if (directory.entries != 0xffff && directory.bytes != 0xffffffff && directory.at != 0xffffffff) return directory;
  if (at < kLocatorBytes) file.fail("its zip64 locator is missing");
  const Bytes locator = file.part(at - kLocatorBytes, kLocatorBytes, "zip64 locator");
  if (number(locator, 0, 4) != kLocatorMark) return directory;  // 65535 entries are possible without zip64
  const Bytes end64 = file.part(number(locator, 8, 8), kEnd64Bytes, "end of the zip64 directory");
  if (number(end64, 0, 4) != kEnd64Mark) file.fail("its zip64 directory is damaged");
  return {number(end64, 32, 8), number(end64, 40, 8), number(end64, 48, 8)};
}

/// Sizes and offset of an entry; those that are all ones stand in the zip64 extra field, in this order.
struct MemberExtent {
  uint64_t size, stored, at;
};
MemberExtent read_extent(const Reader& file, Bytes entry, Bytes extra) {
  MemberExtent extent{number(entry, 24, 4), number(entry, 20, 4), number(entry, 42, 4)};
  uint64_t* wanted[] = {&extent.size, &extent.stored, &extent.at};
  size_t at = 0;
  while (extra.size() - at >= 4) {
    const uint64_t id = number(extra, at, 2), count = number(extra, at + 2, 2);
    at += 4;
    if (count > extra.size() - at) file.fail("an extra field of the zip directory is cut short");
    if (id == 1) {
      Bytes field = extra.subspan(at, count);
      for (uint64_t* value : wanted) {
        if (*value != 0xffffffff || field.size() < 8) continue;
        *value = number(field, 0, 8);
        field = field.subspan(8);
      }
      return extent;
    }
    at += count;
  }
  return extent;
}

/// Reads the directory entry at `at` and moves `at` behind it.
ZipEntry read_entry(const Reader& file, uint64_t& at) {
  const Bytes entry = file.part(at, kEntryBytes, "zip directory entry");
  if (number(entry, 0, 4) != kEntryMark) file.fail(fmt::format("no zip directory entry at byte {}", at));
  const uint64_t flags = number(entry, 8, 2), method = number(entry, 10, 2);
  const uint64_t name_bytes = number(entry, 28, 2), extra_bytes = number(entry, 30, 2), comment_bytes = number(entry, 32, 2);
  const Bytes name = file.part(at + kEntryBytes, name_bytes, "name of a zip entry");
  const Bytes extra = file.part(at + kEntryBytes + name_bytes, extra_bytes, "extra fields of a zip entry");
  at += kEntryBytes + name_bytes + extra_bytes + comment_bytes;
  ZipEntry result{std::string(reinterpret_cast<const char*>(name.data()), name.size()), {}};
  const MemberExtent extent = read_extent(file, entry, extra);
  if (method != 0 || (flags & 1) != 0 || extent.size != extent.stored)
    file.fail(fmt::format("zip entry {} is compressed or encrypted; PyTorch stores entries as they are", result.name));
  const Bytes local = file.part(extent.at, kLocalBytes, "zip entry");
  if (number(local, 0, 4) != kLocalMark) file.fail(fmt::format("zip entry {} does not begin at byte {}", result.name, extent.at));
  const uint64_t skip = kLocalBytes + number(local, 26, 2) + number(local, 28, 2);
  file.part(extent.at, skip, "zip entry");
  result.data = file.part(extent.at + skip, extent.size, "zip entry");
  return result;
}

void check_distinct(const Reader& file, const std::vector<ZipEntry>& entries) {
  std::set<std::string> names;
  std::vector<const ZipEntry*> order;
  for (const ZipEntry& entry : entries) {
    if (!names.insert(entry.name).second) file.fail(fmt::format("two zip entries are called {}", entry.name));
    if (!entry.data.empty()) order.push_back(&entry);
  }
  std::sort(order.begin(), order.end(), [](const ZipEntry* a, const ZipEntry* b) { return a->data.data() < b->data.data(); });
  for (size_t i = 0; i + 1 < order.size(); ++i)
    if (order[i]->data.data() + order[i]->data.size() > order[i + 1]->data.data())
      file.fail(fmt::format("zip entries {} and {} overlap", order[i]->name, order[i + 1]->name));
}

}  // namespace

std::vector<ZipEntry> parse_zip(Bytes bytes, const std::string& where) {
  const Reader file(bytes, where);
  const Directory directory = find_directory(file);
  file.part(directory.at, directory.bytes, "zip directory");
  if (directory.entries > directory.bytes / kEntryBytes)
    file.fail(fmt::format("its zip directory of {} bytes cannot hold {} entries", directory.bytes, directory.entries));
  std::vector<ZipEntry> entries;
  uint64_t at = directory.at;
  for (uint64_t i = 0; i < directory.entries; ++i) entries.push_back(read_entry(file, at));
  check_distinct(file, entries);
  return entries;
}

}  // namespace spectra::format
