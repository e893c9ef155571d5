// SPDX-License-Identifier: Apache-2.0
#include <cmath>
#include <cstdlib>

#include "base/error.h"
#include "model/config.h"
#include "model/packed_tensors.h"

/// config.json of a stranger: an Error, or a model whose dimensions fit together and that can be written and read again.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  try {
    const auto config = spectra::model::config_from_json(text, "fuzz");
    if (config.head_dim() < 2 || config.heads % config.kv_heads != 0) std::abort();
    const auto rope = spectra::model::rope_frequencies(config.rope, config.head_dim(), config.max_position);
    for (const double frequency : rope.inverse)
      if (!std::isfinite(frequency)) std::abort();
    if (!spectra::model::packed_format_from_json(text).empty()) spectra::model::packed_config_from_json(text, "fuzz");
    const std::string again = spectra::model::config_to_json(config, "float16");
    if (spectra::model::config_to_json(spectra::model::config_from_json(again, "again"), "float16") != again) std::abort();
  } catch (const spectra::Error&) {
  }
  return 0;
}
