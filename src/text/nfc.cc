// SPDX-License-Identifier: Apache-2.0
// Normalization form C. Most text is normalized already: only the parts around characters that could change are given to
// utf8proc (the quick check of Unicode Standard Annex 15, with its tables derived from the decompositions).
#include <utf8proc.h>

#include <cstdlib>
#include <vector>

#include "base/error.h"
#include "text/tokenizer.h"
#include "text/unicode.h"

namespace spectra::text {
namespace {

constexpr char32_t kFirstUnstable = 0x300;  // every character before the combining marks stands for itself
constexpr char32_t kEndOfUnicode = 0x110000;

/// Per code point: true when normalization may change it, reorder it, or join it to the character before.
std::vector<bool> unstable_table() {
  std::vector<bool> unstable(kEndOfUnicode, false);
  for (char32_t c = kFirstUnstable; c < kEndOfUnicode; ++c) {
    const auto code_point = static_cast<utf8proc_int32_t>(c);
    const utf8proc_property_t* property = utf8proc_get_property(code_point);
    if (property->combining_class != 0) unstable[c] = true;
    if (property->decomp_seqindex == UINT16_MAX || property->decomp_type != 0) continue;  // no canonical decomposition
    utf8proc_int32_t parts[8];
    int boundary = 0;
    const utf8proc_ssize_t count = utf8proc_decompose_char(code_point, parts, 8, UTF8PROC_DECOMPOSE, &boundary);
    for (utf8proc_ssize_t i = 1; i < count; ++i) unstable[static_cast<size_t>(parts[i])] = true;  // can join what precedes it
    const utf8proc_ssize_t composed =
        utf8proc_normalize_utf32(parts, count, static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE));
    // Singletons and composition exclusions do not come back.
    if (composed != 1 || parts[0] != code_point) unstable[c] = true;
  }
  for (char32_t c = 0x1161; c <= 0x1175; ++c) unstable[c] = true;  // Hangul vowels and final consonants join by rule
  for (char32_t c = 0x11A8; c <= 0x11C2; ++c) unstable[c] = true;
  return unstable;
}

bool is_unstable(char32_t code_point) {
  if (code_point < kFirstUnstable) return false;
  static const std::vector<bool> table = unstable_table();
  return table[code_point];
}

void append_normalized(std::string& result, std::string_view part) {
  utf8proc_uint8_t* composed = nullptr;
  const utf8proc_ssize_t size =
      utf8proc_map(reinterpret_cast<const utf8proc_uint8_t*>(part.data()), static_cast<utf8proc_ssize_t>(part.size()), &composed,
                   static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE));
  if (size < 0) throw bad_input(fmt::format("text cannot be normalized: {}", utf8proc_errmsg(size)));
  result.append(reinterpret_cast<const char*>(composed), static_cast<size_t>(size));
  std::free(composed);
}

}  // namespace

std::string nfc(std::string_view text) {
  std::string result;
  size_t copied = 0;    // text before this is in the result
  size_t previous = 0;  // start of the character before `at`
  for (size_t at = 0; at < text.size();) {
    const size_t start = at;
    if (static_cast<unsigned char>(text[at]) < 0xCC) {  // leads of U+0300 and above begin with CC
      at += static_cast<unsigned char>(text[at]) < 0x80 ? 1 : 2;
      previous = start;
      continue;
    }
    if (!is_unstable(next_code_point(text, at))) {
      previous = start;
      continue;
    }
    size_t end = at;  // to the next stable character, where a new composition can begin at the earliest
    while (end < text.size()) {
      size_t behind = end;
      if (!is_unstable(next_code_point(text, behind))) break;
      end = behind;
    }
    const size_t begin = start == copied ? start : previous;
    result.append(text.substr(copied, begin - copied));
    append_normalized(result, text.substr(begin, end - begin));
    copied = at = previous = end;
  }
  if (copied == 0) return std::string(text);
  result.append(text.substr(copied));
  return result;
}

}  // namespace spectra::text
