// SPDX-License-Identifier: Apache-2.0
#pragma once
// How fast this machine reads memory: the limit of decoding, which reads every weight for each token.
#include <cstddef>

namespace spectra {

/// Bytes per second at which `threads` threads (0 = all cores) together read a buffer of `bytes` far larger than the caches; best
/// of three. Throws Error (exit 5) when there is not that much memory.
double memory_read_bandwidth(int threads = 0, size_t bytes = size_t{512} << 20);

}  // namespace spectra
