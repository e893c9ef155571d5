// SPDX-License-Identifier: Apache-2.0
#pragma once
// GPT-2's pre-tokenizer pattern, matched by hand because it is the hot loop of encoding:
//   's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
#include <cstddef>
#include <string_view>

namespace spectra::text {

extern const char* const kGpt2Pattern;

/// The end of the match that starts at `at` < text.size(). `text` is valid UTF-8; matches follow each other without gaps.
size_t gpt2_match_end(std::string_view text, size_t at);

}  // namespace spectra::text
