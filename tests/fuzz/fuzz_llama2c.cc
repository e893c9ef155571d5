// SPDX-License-Identifier: Apache-2.0
#include <cstdlib>

#include "base/error.h"
#include "model/import_llama2c.h"

/// Any bytes are a llama2.c checkpoint or an Error; every parameter of what is accepted lies inside the file.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::span<const std::byte> bytes(reinterpret_cast<const std::byte*>(data), size);
  try {
    const auto file = spectra::model::parse_llama2c(bytes, "fuzz");
    for (const auto& p : spectra::model::parameters(file.config))
      if (file.offsets.at(p.name) + static_cast<size_t>(p.rows * p.cols) * 4 > size) std::abort();
  } catch (const spectra::Error&) {
  }
  return 0;
}
