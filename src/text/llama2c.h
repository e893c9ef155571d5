// SPDX-License-Identifier: Apache-2.0
#pragma once
// The tokenizer files of llama2.c (tok512.bin, tokenizer.bin).
#include <string>

#include "base/file.h"

namespace spectra::text {

/// The tokenizer.json (Llama 2 style: BPE with byte fallback) that encodes and decodes as llama2.c does with the file at `path`:
/// int32 longest token, then per token float32 score, int32 length, bytes; little endian. Ids 0, 1, 2 are <unk>, <s>, </s>, 3 to
/// 258 the bytes. llama2.c merges the adjacent pair whose concatenation scores highest, so the merges are all pairs that make a
/// token, by falling score. Throws Error when the file is cut short or not of this kind.
std::string tokenizer_json_from_llama2c(const fs::path& path);

}  // namespace spectra::text
