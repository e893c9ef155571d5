// SPDX-License-Identifier: Apache-2.0
#include "base/version.h"

namespace spectra {

const char* tool_version() { return SPECTRA_VERSION; }

}  // namespace spectra
