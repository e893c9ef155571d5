// SPDX-License-Identifier: Apache-2.0
#include "base/file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>

#include "base/error.h"
#include "base/parallel.h"
#include "base/system.h"

namespace spectra {
namespace {

// Written in whole blocks of this size, the file lies in large pages of the page cache.
constexpr size_t kBufferBytes = size_t{4} << 20;

/// A name beside `target` that no other process uses.
fs::path temporary_name(const fs::path& target) {
  fs::path clean = target.lexically_normal();
  if (!clean.has_filename()) clean = clean.parent_path();
  return clean.parent_path() / fmt::format(".{}.partial-{}", clean.filename().string(), ::getpid());
}

void write_all(int descriptor, const char* data, size_t size, const fs::path& path) {
  while (size > 0) {
    const ssize_t n = ::write(descriptor, data, size);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) throw io_error("write", path.string());
    data += n;
    size -= static_cast<size_t>(n);
  }
}

/// The whole file to `out`, in pieces on all cores.
void read_whole(int descriptor, std::byte* out, size_t size, const fs::path& path) {
  constexpr size_t kPiece = size_t{16} << 20;
  parallel_for((size + kPiece - 1) / kPiece, [&](size_t i) {
    for (size_t at = i * kPiece, end = std::min(at + kPiece, size); at < end;) {
      const ssize_t n = ::pread(descriptor, out + at, end - at, static_cast<off_t>(at));
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) throw io_error("read", path.string());
      at += static_cast<size_t>(n);
    }
  });
}

}  // namespace

MappedFile::MappedFile(const fs::path& path, Backing backing) : path_(path) {
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) throw io_error("open", path.string());
  struct stat info {};
  if (::fstat(descriptor, &info) != 0 || S_ISDIR(info.st_mode)) {
    const int code = S_ISDIR(info.st_mode) ? EISDIR : errno;
    ::close(descriptor);
    errno = code;
    throw io_error("open", path.string());
  }
  size_ = static_cast<size_t>(info.st_size);
  if (size_ > 0) {
    try {
      data_ = static_cast<const std::byte*>(map(descriptor, backing));
    } catch (...) {
      ::close(descriptor);
      throw;
    }
  }
  ::close(descriptor);
}

void* MappedFile::map(int descriptor, Backing backing) const {
  const bool copy = backing == Backing::kHugePages;
  if (copy) require_memory(size_, "a copy of the weights in huge pages", "leave out --huge-pages");
  void* address = copy ? ::mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
                       : ::mmap(nullptr, size_, PROT_READ, MAP_SHARED, descriptor, 0);
  if (address == MAP_FAILED) throw io_error("map", path_.string());
  // Where the file system keeps files in large pages, a mapping has them too.
  ::madvise(address, size_, MADV_HUGEPAGE);
  if (!copy) return address;
  try {
    read_whole(descriptor, static_cast<std::byte*>(address), size_, path_);
  } catch (...) {
    ::munmap(address, size_);
    throw;
  }
  ::mprotect(address, size_, PROT_READ);
  return address;
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) ::munmap(const_cast<std::byte*>(data_), size_);
}

void release_mapped(std::span<const std::byte> bytes) {
  const auto page = static_cast<uintptr_t>(::sysconf(_SC_PAGESIZE));
  const uintptr_t begin = (reinterpret_cast<uintptr_t>(bytes.data()) + page - 1) / page * page;  // whole pages only
  const uintptr_t end = (reinterpret_cast<uintptr_t>(bytes.data()) + bytes.size()) / page * page;
  if (begin < end) ::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
}

std::string read_file(const fs::path& path, size_t limit) {
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) throw io_error("open", path.string());
  std::string bytes, chunk(kBufferBytes, '\0');
  for (;;) {
    const ssize_t n = ::read(descriptor, chunk.data(), chunk.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) {
      const int code = errno;
      ::close(descriptor);
      errno = code;
      throw io_error("read", path.string());
    }
    if (n == 0) break;
    bytes.append(chunk.data(), static_cast<size_t>(n));
    if (bytes.size() > limit) {
      ::close(descriptor);
      throw bad_input(fmt::format("{} is larger than {} bytes, the limit for this kind of file", path.string(), limit));
    }
  }
  ::close(descriptor);
  return bytes;
}

void write_file(const fs::path& path, std::string_view bytes) {
  const fs::path temporary = temporary_name(path);
  OutputFile out(temporary);
  out.write(bytes);
  out.close();
  std::error_code failed;
  fs::rename(temporary, path, failed);
  if (failed) {
    fs::remove(temporary);
    errno = failed.value();
    throw io_error("write", path.string());
  }
  sync_directory(path.has_parent_path() ? path.parent_path() : fs::path("."));
}

OutputFile::OutputFile(const fs::path& path) : path_(path) {
  descriptor_ = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (descriptor_ < 0) throw io_error("write", path.string());
  buffer_.reserve(kBufferBytes);
}

OutputFile::~OutputFile() {
  if (descriptor_ < 0) return;
  ::close(descriptor_);
  ::unlink(path_.c_str());
}

void OutputFile::write(const void* data, size_t size) {
  written_ += size;
  for (const char* bytes = static_cast<const char*>(data); size > 0;) {
    const size_t part = std::min(size, kBufferBytes - buffer_.size());
    buffer_.append(bytes, part);
    bytes += part;
    size -= part;
    if (buffer_.size() == kBufferBytes) flush();
  }
}

void OutputFile::flush() {
  write_all(descriptor_, buffer_.data(), buffer_.size(), path_);
  buffer_.clear();
}

void OutputFile::close() {
  flush();
  if (::fsync(descriptor_) != 0) throw io_error("write", path_.string());
  const int descriptor = std::exchange(descriptor_, -1);
  if (::close(descriptor) != 0) throw io_error("write", path_.string());
}

void sync_directory(const fs::path& path) {
  const int descriptor = ::open(path.empty() ? "." : path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) throw io_error("open", path.string());
  const int result = ::fsync(descriptor);
  ::close(descriptor);
  if (result != 0 && errno != EINVAL) throw io_error("write", path.string());
}

void swap_directories(const fs::path& fresh, const fs::path& target) {
  if (::renameat2(AT_FDCWD, fresh.c_str(), AT_FDCWD, target.c_str(), RENAME_EXCHANGE) != 0) {
    if (errno != EINVAL && errno != ENOSYS) throw io_error("replace", target.string());
    const fs::path old = fresh.string() + "-old";
    fs::rename(target, old);
    fs::rename(fresh, target);
    fs::rename(old, fresh);
  }
  sync_directory(fs::absolute(target).lexically_normal().parent_path());
}

void require_new_directory(const fs::path& out) {
  std::error_code ignored;
  if (!fs::exists(out, ignored)) return;
  if (fs::is_directory(out, ignored) && fs::is_empty(out, ignored)) return;
  throw bad_input(fmt::format("{} exists already", out.string()), "choose another --out, or remove it first");
}

void require_new_file(const fs::path& out) {
  std::error_code ignored;
  if (fs::exists(out, ignored))
    throw bad_input(fmt::format("{} exists already", out.string()), "choose another name, or remove it first");
}

AtomicFile::AtomicFile(const fs::path& target)
    : target_((require_new_file(target), target)), temporary_(temporary_name(target)), file_(temporary_) {}

void AtomicFile::commit() {
  file_.close();
  std::error_code failed;
  fs::rename(temporary_, target_, failed);
  if (failed) {
    fs::remove(temporary_);
    errno = failed.value();
    throw io_error("write", target_.string());
  }
  sync_directory(target_.has_parent_path() ? target_.parent_path() : fs::path("."));
}

AtomicDirectory::AtomicDirectory(const fs::path& target, bool replace)
    : target_(target), temporary_(temporary_name(target)), replace_(replace) {
  if (!replace) require_new_directory(target);
  std::error_code failed;
  fs::remove_all(temporary_, failed);
  fs::create_directories(temporary_, failed);
  if (failed) {
    errno = failed.value();
    throw io_error("create", temporary_.string());
  }
}

AtomicDirectory::~AtomicDirectory() {
  std::error_code ignored;
  if (!committed_) fs::remove_all(temporary_, ignored);
}

void AtomicDirectory::commit() {
  for (const auto& entry : fs::recursive_directory_iterator(temporary_))
    if (entry.is_directory()) sync_directory(entry.path());
  sync_directory(temporary_);
  std::error_code failed;
  if (fs::exists(target_) && replace_) {
    swap_directories(temporary_, target_);
    committed_ = true;
    fs::remove_all(temporary_, failed);
    return;
  }
  fs::rename(temporary_, target_, failed);
  if (failed) {
    errno = failed.value();
    throw io_error("create", target_.string());
  }
  committed_ = true;
  const fs::path parent = fs::absolute(target_).lexically_normal().parent_path();
  sync_directory(parent);
}

}  // namespace spectra
