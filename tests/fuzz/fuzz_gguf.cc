// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstdlib>

#include "base/error.h"
#include "format/gguf.h"
#include "model/gguf_model.h"
#include "text/gguf_tokenizer.h"

/// Any bytes are a GGUF file whose tensors lie inside it, or an Error; so are its settings and its tokenizer.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace spectra;
  const std::span<const std::byte> bytes(reinterpret_cast<const std::byte*>(data), size);
  try {
    const format::GgufContents contents = format::parse_gguf(bytes, "fuzz");
    for (const auto& tensor : contents.tensors) {
      if (tensor.data.data() + tensor.data.size() > bytes.data() + size) std::abort();
      const format::GgmlTypeInfo& type = format::ggml_type(tensor.type);
      if (!type.codec) continue;
      std::vector<float> values(static_cast<size_t>(type.block));
      format::ggml_decode(tensor.type, tensor.data.data(), type.block, values.data());
    }
    try {
      const model::Config config = model::config_from_gguf(contents);
      if (config.head_dim() < 2) std::abort();
    } catch (const Error&) {
    }
    const text::GgufTokenizer parts = text::read_gguf_tokenizer(contents);
    text::Tokenizer::parse(text::tokenizer_json_from_gguf(parts, "fuzz"), "fuzz").encode("A  text\n");
  } catch (const Error&) {
  }
  return 0;
}
