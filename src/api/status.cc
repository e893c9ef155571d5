// SPDX-License-Identifier: Apache-2.0
#include "api/status.h"

#include <cstdio>

namespace spectra::api {
namespace {
// Arrays, so that an error can be kept when there is no memory left.
thread_local char last_error[1024], last_hint[1024];
}  // namespace

spectra_status remember(spectra_status status, const char* message, const char* hint) noexcept {
  std::snprintf(last_error, sizeof(last_error), "%s", message);
  std::snprintf(last_hint, sizeof(last_hint), "%s", hint);
  return status;
}

}  // namespace spectra::api

const char* spectra_last_error(void) { return spectra::api::last_error; }
const char* spectra_last_hint(void) { return spectra::api::last_hint; }
