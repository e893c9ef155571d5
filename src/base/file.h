// SPDX-License-Identifier: Apache-2.0
#pragma once
// Files: mapping, whole reads, and writes that are never seen half done.
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace spectra {

namespace fs = std::filesystem;

/// kMapped: the page cache's own pages, at once. kHugePages: a copy in huge pages, where the system has them: it takes the time of
/// reading the file and its size in memory, and then is read faster than a file that lies in small pages.
enum class Backing : uint8_t { kMapped, kHugePages };

/// A whole file in memory, read-only. Throws Error when it cannot be opened.
class MappedFile {
 public:
  explicit MappedFile(const fs::path& path, Backing backing = Backing::kMapped);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  std::span<const std::byte> bytes() const { return {data_, size_}; }
  const fs::path& path() const { return path_; }

 private:
  void* map(int descriptor, Backing backing) const;

  fs::path path_;
  const std::byte* data_ = nullptr;
  size_t size_ = 0;
};

/// Takes the pages of mapped bytes (kMapped) that were read out of this process's memory; they are read again from the file when
/// touched. For passes over files larger than memory.
void release_mapped(std::span<const std::byte> bytes);

/// The bytes of a (small) file. Throws Error; refuses files larger than `limit` bytes.
std::string read_file(const fs::path& path, size_t limit = size_t{1} << 30);

/// Writes `path` through a temporary file beside it: written, flushed to disk, renamed. On failure nothing remains.
void write_file(const fs::path& path, std::string_view bytes);

/// A file being written. All bytes are on disk when close() returns; the destructor without close() deletes it.
class OutputFile {
 public:
  explicit OutputFile(const fs::path& path);
  ~OutputFile();
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;
  void write(const void* data, size_t size);
  void write(std::string_view bytes) { write(bytes.data(), bytes.size()); }
  uint64_t size() const { return written_; }
  void close();

 private:
  void flush();
  fs::path path_;
  int descriptor_ = -1;
  uint64_t written_ = 0;
  std::string buffer_;
};

/// A large file that appears whole or not at all: write, then commit() flushes it and renames it to `target`. The destructor
/// without commit() removes what was written. Throws Error (exit 3) when `target` exists: no command overwrites silently.
class AtomicFile {
 public:
  explicit AtomicFile(const fs::path& target);
  void write(const void* data, size_t size) { file_.write(data, size); }
  uint64_t size() const { return file_.size(); }
  void commit();

 private:
  fs::path target_, temporary_;
  OutputFile file_;
};

/// A directory that appears whole or not at all: write into path(), then commit() flushes everything and renames it to
/// `target`. The destructor without commit() removes what was written. Throws Error when `target` exists and is not
/// empty, unless `replace`: then the old one is swapped out in one step and removed.
class AtomicDirectory {
 public:
  explicit AtomicDirectory(const fs::path& target, bool replace = false);
  ~AtomicDirectory();
  AtomicDirectory(const AtomicDirectory&) = delete;
  AtomicDirectory& operator=(const AtomicDirectory&) = delete;
  const fs::path& path() const { return temporary_; }
  void commit();

 private:
  fs::path target_, temporary_;
  bool replace_, committed_ = false;
};

/// Exchanges two directories on one file system in one step, so that `target` is whole at every moment: afterwards `fresh` is the
/// one that `target` was. Where the file system cannot (NFS), `target` is for a moment at `fresh` + "-old".
void swap_directories(const fs::path& fresh, const fs::path& target);
/// Flushes a directory's entries to disk, so that renames and new files in it survive a power cut.
void sync_directory(const fs::path& path);
/// Throws Error (exit 3) when `out` exists and is not an empty directory: no command overwrites silently.
void require_new_directory(const fs::path& out);
/// Throws Error (exit 3) when `out` exists.
void require_new_file(const fs::path& out);

}  // namespace spectra
