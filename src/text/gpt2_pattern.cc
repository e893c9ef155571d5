// SPDX-License-Identifier: Apache-2.0
#include "text/gpt2_pattern.h"

#include <array>

#include "text/unicode.h"

namespace spectra::text {

const char* const kGpt2Pattern = R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

namespace {

const std::array<CharClass, 128>& ascii_classes() {
  static const std::array<CharClass, 128> classes = [] {
    std::array<CharClass, 128> result{};
    for (size_t c = 0; c < result.size(); ++c) result[c] = char_class(static_cast<char32_t>(c));
    return result;
  }();
  return classes;
}

/// The class of the character at `at`, and where the next one begins.
CharClass class_at(std::string_view text, size_t at, size_t& next) {
  const auto byte = static_cast<unsigned char>(text[at]);
  next = at;
  if (byte >= 0x80) return char_class(next_code_point(text, next));
  ++next;
  return ascii_classes()[byte];
}

/// Behind the last character of the run of `wanted` that starts at `at`; `last` is where its last character begins.
size_t run_end(std::string_view text, size_t at, CharClass wanted, size_t& last) {
  size_t next = at;
  while (at < text.size() && class_at(text, at, next) == wanted) {
    last = at;
    at = next;
  }
  return at;
}

/// Length of the contraction at `at`, which holds an apostrophe; 0 if none.
size_t contraction_length(std::string_view text, size_t at) {
  const std::string_view rest = text.substr(at + 1, 2);
  if (rest.empty()) return 0;
  if (rest[0] == 's' || rest[0] == 't' || rest[0] == 'm' || rest[0] == 'd') return 2;
  return rest == "re" || rest == "ve" || rest == "ll" ? 3 : 0;
}

}  // namespace

size_t gpt2_match_end(std::string_view text, size_t at) {
  if (text[at] == '\'') {
    const size_t length = contraction_length(text, at);
    if (length > 0) return at + length;
  }
  size_t last = at, next = at;
  const CharClass first = class_at(text, at, next);
  if (first != CharClass::kSpace) return run_end(text, next, first, last);
  if (text[at] == ' ' && next < text.size()) {
    size_t behind = next;
    const CharClass second = class_at(text, next, behind);
    if (second != CharClass::kSpace) return run_end(text, behind, second, last);
  }
  const size_t end = run_end(text, at, CharClass::kSpace, last);
  // The last of several white space characters before a word belongs to the word.
  return end == text.size() || last == at ? end : last;
}

}  // namespace spectra::text
