// SPDX-License-Identifier: Apache-2.0
#include <cstdlib>

#include "base/error.h"
#include "format/llmc.h"

/// A stranger's shard: an Error, or as many tokens as the bytes hold.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    const uint64_t tokens = spectra::format::parse_llmc_header({reinterpret_cast<const char*>(data), size}, "fuzz");
    if (1024 + 2 * tokens != size) std::abort();
  } catch (const spectra::Error&) {
  }
  return 0;
}
