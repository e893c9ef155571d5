// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "base/file.h"

namespace spectra::suite {

/// Keeps two suites out of one directory (by DIR/jobs/lock), as long as it lives; the system lets go of it however the process
/// ends.
class Lock {
 public:
  /// Several may share it where nobody has it alone. Throws Error (exit 3) where another process holds it.
  explicit Lock(const fs::path& directory, bool shared = false);
  ~Lock();
  Lock(const Lock&) = delete;
  Lock& operator=(const Lock&) = delete;

 private:
  int descriptor_;
};

}  // namespace spectra::suite
