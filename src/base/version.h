// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace spectra {

/// "0.1.0": the project's version, as in CMakeLists.txt.
const char* tool_version();

}  // namespace spectra
