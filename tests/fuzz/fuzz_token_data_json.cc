// SPDX-License-Identifier: Apache-2.0
#include <cstdlib>

#include "base/error.h"
#include "format/token_data.h"

/// data.json of a stranger: valid or an Error, and never a file name that leaves the directory.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    const auto parsed = spectra::format::parse_token_data_json({reinterpret_cast<const char*>(data), size}, "fuzz");
    for (const auto& file : parsed.files)
      for (const std::string& name : {file.name, file.documents_name})
        if (name.empty() || name == ".." || name.find('/') != std::string::npos) std::abort();
  } catch (const spectra::Error&) {
  }
  return 0;
}
