// SPDX-License-Identifier: Apache-2.0
#pragma once
// Python's text functions on valid UTF-8: the harness builds its prompts with them, and the difference to C's decides tokens.
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace spectra::eval {

/// str.isspace() of one code point: Unicode white space and U+001C to U+001F.
bool is_python_space(char32_t code_point);
std::string_view rstrip(std::string_view text);
std::string_view lstrip(std::string_view text);
std::string_view strip(std::string_view text);
/// len(str): code points.
int64_t code_points(std::string_view text);
/// str.lower(): simple mappings, İ, and the two forms of a small sigma.
std::string lower(std::string_view text);
/// str.capitalize(): the first character in title case, all others lower.
std::string capitalize(std::string_view text);
/// str.replace()
std::string replace_all(std::string_view text, std::string_view from, std::string_view to);
/// len(re.split(r"\s+", text)): white space at an end makes an empty piece, which counts.
int64_t count_words(std::string_view text);
/// A text as json.dumps() writes it: ASCII only, in quotes.
std::string json_text(std::string_view text);

}  // namespace spectra::eval
