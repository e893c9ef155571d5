// SPDX-License-Identifier: Apache-2.0
#pragma once
// The parts of Unicode that tokenizers need: UTF-8, and the character classes of the usual pre-tokenizer patterns.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace spectra::text {

bool is_valid_utf8(std::string_view text);

/// The code point that starts at `at`, which moves behind it. `text` must be valid UTF-8 and `at` a character boundary.
char32_t next_code_point(std::string_view text, size_t& at);
void append_utf8(std::string& text, char32_t code_point);

/// The classes that GPT-2's pattern distinguishes: \p{L}, \p{N}, \s (the White_Space property), and the rest.
enum class CharClass : uint8_t { kOther, kLetter, kNumber, kSpace };
CharClass char_class(char32_t code_point);
/// \w: letters, marks, decimal and letter numbers, connecting punctuation.
bool is_word_character(char32_t code_point);

}  // namespace spectra::text
