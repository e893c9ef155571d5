// SPDX-License-Identifier: Apache-2.0
#include "cli/usage.h"

#include "base/error.h"

namespace spectra::cli {

void require(bool good, const std::string& message, const std::string& hint) {
  if (!good) throw Error(Exit::kUsage, message, hint);
}

void require_in_range(bool good, const std::string& option_and_value, const std::string& allowed) {
  require(good, option_and_value + " is out of range", "allowed: " + allowed);
}

}  // namespace spectra::cli
