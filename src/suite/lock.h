// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "base/file.h"

namespace spectra::suite {

/// Keeps others from what a file stands for (DIR/jobs/lock: the directory; DIR/jobs/NAME.lock: a job) as long as it lives; the
/// system lets go of it however the process ends.
class Lock {
 public:
  /// Several may share it where nobody has it alone. Throws Error (exit 3) that says `what` where another process holds it.
  Lock(const fs::path& file, const std::string& what, bool shared = false);
  ~Lock();
  Lock(const Lock&) = delete;
  Lock& operator=(const Lock&) = delete;

 private:
  int descriptor_;
};

}  // namespace spectra::suite
