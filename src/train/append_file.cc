// SPDX-License-Identifier: Apache-2.0
#include "train/append_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>

#include "base/error.h"
#include "base/log.h"

namespace spectra::train {

AppendFile::AppendFile(const fs::path& path, bool lock) : path_(path) {
  descriptor_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (descriptor_ < 0) throw io_error("write", path.string());
  if (lock && ::flock(descriptor_, LOCK_EX | LOCK_NB) != 0) {
    ::close(descriptor_);
    throw bad_input(fmt::format("{} is in use by another process", path.string()),
                    "wait until the other training ends, or choose another --out");
  }
  size_ = fs::file_size(path);
}

AppendFile::~AppendFile() {
  if (!write_waiting()) warn_line(fmt::format("{}: the disk is full; its last lines are lost", path_.string()));
  ::close(descriptor_);
}

void AppendFile::cut(uint64_t bytes) {
  if (bytes < size_ && ::ftruncate(descriptor_, static_cast<off_t>(bytes)) != 0) throw io_error("write", path_.string());
  size_ = bytes;
}

/// Writes the records that wait, all or none. False: it failed, and errno says why.
bool AppendFile::write_waiting() {
  if (waiting_.empty()) return true;
  ssize_t written = 0;
  do {
    written = ::write(descriptor_, waiting_.data(), waiting_.size());
  } while (written < 0 && errno == EINTR);
  if (written == static_cast<ssize_t>(waiting_.size())) {
    size_ += waiting_.size();
    waiting_.clear();
    warned_ = false;
    return true;
  }
  if (written >= 0) {  // the disk took a part: a reader must not see half a record, nor the next append continue it
    if (::ftruncate(descriptor_, static_cast<off_t>(size_)) != 0) return false;
    errno = ENOSPC;
  }
  return false;
}

void AppendFile::append(std::string_view record) {
  waiting_ += record;
  if (write_waiting()) return;
  if (errno != ENOSPC && errno != EDQUOT && errno != EFBIG) throw io_error("write", path_.string());
  if (!warned_) warn_line(fmt::format("{}: the disk is full; its lines wait in memory until there is space", path_.string()));
  warned_ = true;
}

void AppendFile::sync() {
  if (!write_waiting() || ::fsync(descriptor_) != 0) throw io_error("write", path_.string());
}

}  // namespace spectra::train
