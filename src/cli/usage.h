// SPDX-License-Identifier: Apache-2.0
#pragma once
// What a command demands of its options beyond what the parser checks.
#include <string>

namespace spectra::cli {

/// Throws Error (exit 2) unless `good`.
void require(bool good, const std::string& message, const std::string& hint);
/// The same for a value: "--batch 0 is out of range", "allowed: 1 or more".
void require_in_range(bool good, const std::string& option_and_value, const std::string& allowed);

}  // namespace spectra::cli
