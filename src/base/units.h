// SPDX-License-Identifier: Apache-2.0
#pragma once
// Amounts as people read and write them: durations, bytes, counts.
#include <cstdint>
#include <string>

namespace spectra {

/// "1h 02m", "3m 20s", "12 s".
std::string format_duration(double seconds);
/// "1.5 GB", "320 kB": powers of 1000.
std::string format_bytes(uint64_t bytes);
/// "4GiB", "500MB", "800 KiB", "1024B"; a number alone counts MiB. Throws Error (exit 2) naming `option`.
uint64_t parse_bytes(const std::string& text, const std::string& option);
/// "6.0M", "1.15B": counts of tokens and parameters.
std::string format_count(uint64_t count);

}  // namespace spectra
