// SPDX-License-Identifier: Apache-2.0
#include <cstdlib>

#include "base/error.h"
#include "format/safetensors.h"

/// Any bytes are a valid file or an Error; what is accepted lies inside the file and covers it.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::span<const std::byte> bytes(reinterpret_cast<const std::byte*>(data), size);
  try {
    std::map<std::string, std::string> metadata;
    size_t covered = 0;
    for (const auto& tensor : spectra::format::parse_safetensors(bytes, "fuzz", &metadata)) {
      if (tensor.data.data() + tensor.data.size() > bytes.data() + size) std::abort();
      if (tensor.elements() < 0) std::abort();
      covered += tensor.data.size();
    }
    if (covered > size - 8) std::abort();
  } catch (const spectra::Error&) {
  }
  return 0;
}
