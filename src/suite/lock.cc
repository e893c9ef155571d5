// SPDX-License-Identifier: Apache-2.0
#include "suite/lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/error.h"

namespace spectra::suite {

Lock::Lock(const fs::path& file, const std::string& what, bool shared) {
  descriptor_ = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (descriptor_ < 0) throw io_error("open", file.string());
  if (::flock(descriptor_, (shared ? LOCK_SH : LOCK_EX) | LOCK_NB) == 0) return;
  ::close(descriptor_);
  throw bad_input(what, "wait for its end, or give another --out");
}

Lock::~Lock() { ::close(descriptor_); }

}  // namespace spectra::suite
