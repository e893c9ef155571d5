// SPDX-License-Identifier: Apache-2.0
#pragma once
// From exceptions to the status and the last error of a thread.
#include <spectra/spectra.h>

#include <exception>
#include <new>

#include "base/error.h"

namespace spectra::api {

/// Keeps both texts for spectra_last_error() and spectra_last_hint() (cut to a kilobyte) and returns `status`.
spectra_status remember(spectra_status status, const char* message, const char* hint) noexcept;

/// Runs `body`; whatever it throws becomes a status.
template <class Body>
spectra_status guarded(const Body& body) noexcept {
  try {
    body();
    return SPECTRA_OK;
  } catch (const Error& error) {
    return remember(static_cast<spectra_status>(error.code()), error.what(), error.hint().c_str());
  } catch (const std::bad_alloc&) {
    return remember(SPECTRA_REFUSED, "out of memory", "use a smaller model or fewer sessions");
  } catch (const std::exception& error) {
    return remember(SPECTRA_FAILED, error.what(), "");
  } catch (...) {
    return remember(SPECTRA_FAILED, "unknown exception", "");
  }
}

/// Throws Error (usage) naming an argument that is NULL.
inline void require(const void* argument, const char* name) {
  if (argument == nullptr) throw Error(Exit::kUsage, fmt::format("{} is NULL", name), "the header says where NULL is allowed");
}

}  // namespace spectra::api
