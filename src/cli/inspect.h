// SPDX-License-Identifier: Apache-2.0
#pragma once
// What `spectra inspect` prints.
#include "base/file.h"

namespace spectra::cli {

void inspect_model(const fs::path& path, bool verify);
void inspect_data(const fs::path& path, bool verify);

/// "verified", "not recorded" or "not verified (--verify)".
const char* checksum_state(bool asked, bool found);

}  // namespace spectra::cli
