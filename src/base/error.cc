// SPDX-License-Identifier: Apache-2.0
#include "base/error.h"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace spectra {

Error io_error(const std::string& action, const std::string& path) {
  const int code = errno;
  const bool full = code == ENOSPC || code == EDQUOT || code == EFBIG;
  std::string hint;
  if (full) hint = "free some space or choose another place with --out";
  if (code == ENOENT) hint = "check the spelling of the path";
  if (code == EACCES || code == EPERM) hint = "check the permissions of the file and its directory";
  const Exit exit = (full || code == ENOENT || code == EISDIR || code == ENOTDIR) ? Exit::kBadInput : Exit::kFailed;
  return Error(exit, fmt::format("cannot {} {}: {}", action, path, std::strerror(code)), hint);
}

void check_failed(const char* expression, const char* file, int line, const std::string& values) {
  std::fprintf(stderr, "spectra: internal error: %s does not hold at %s:%d%s%s\nThis is a bug in spectra; please report it.\n",
               expression, file, line, values.empty() ? "" : ": ", values.c_str());
  std::abort();
}

}  // namespace spectra
