// SPDX-License-Identifier: Apache-2.0
#pragma once
// A file that grows by whole records while a run lasts. A full disk does not stop the run: records wait in memory until one can be
// written again, and the file never ends in the middle of one, unless the process is killed inside the write.
#include <cstdint>
#include <string>
#include <string_view>

#include "base/file.h"

namespace spectra::train {

class AppendFile {
 public:
  /// Opens or creates `path`. `lock`: nobody else may hold it; throws Error (exit 3) when someone does.
  explicit AppendFile(const fs::path& path, bool lock = false);
  /// Tries once more to write what waits.
  ~AppendFile();
  AppendFile(const AppendFile&) = delete;
  AppendFile& operator=(const AppendFile&) = delete;
  /// Keeps the first `bytes` bytes. Before the first append().
  void cut(uint64_t bytes);
  /// Adds a record. On a full disk it waits, with one warning, for the next append() or sync(). Throws Error when writing fails
  /// otherwise.
  void append(std::string_view record);
  /// Waits until everything is on disk. Throws Error when it cannot be, also for records that still wait.
  void sync();
  const fs::path& path() const { return path_; }

 private:
  bool write_waiting();
  fs::path path_;
  int descriptor_ = -1;
  uint64_t size_ = 0;    ///< bytes of whole records in the file
  std::string waiting_;  ///< records that did not fit on the disk
  bool warned_ = false;
};

}  // namespace spectra::train
