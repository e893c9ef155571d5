// SPDX-License-Identifier: Apache-2.0
#include "eval/python_text.h"

#include <utf8proc.h>

#include <nlohmann/json.hpp>

#include "text/unicode.h"

namespace spectra::eval {
namespace {

constexpr char32_t kCapitalSigma = 0x3A3, kFinalSigma = 0x3C2, kSigma = 0x3C3, kDottedCapitalI = 0x130, kSharpS = 0xDF;

std::vector<char32_t> decoded(std::string_view text) {
  std::vector<char32_t> result;
  for (size_t at = 0; at < text.size();) result.push_back(text::next_code_point(text, at));
  return result;
}

/// The code point that ends at `end`, which moves before it.
char32_t previous_code_point(std::string_view text, size_t& end) {
  do --end;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80);
  size_t at = end;
  return text::next_code_point(text, at);
}

bool is_cased(char32_t c) {
  const auto point = static_cast<utf8proc_int32_t>(c);
  return utf8proc_tolower(point) != point || utf8proc_toupper(point) != point || utf8proc_category(point) == UTF8PROC_CATEGORY_LL;
}
bool is_case_ignorable(char32_t c) {
  if (c == '\'' || c == '.' || c == ':' || c == '^' || c == '`' || c == 0xB7 || c == 0x2019) return true;
  switch (utf8proc_category(static_cast<utf8proc_int32_t>(c))) {
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_ME:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_SK:
      return true;
    default:
      return false;
  }
}

/// Unicode's condition Final_Sigma: a letter before, none after.
bool ends_word(const std::vector<char32_t>& text, size_t at) {
  size_t before = at, after = at + 1;
  while (before > 0 && is_case_ignorable(text[before - 1])) --before;
  while (after < text.size() && is_case_ignorable(text[after])) ++after;
  return before > 0 && is_cased(text[before - 1]) && !(after < text.size() && is_cased(text[after]));
}

void append_lower(std::string& out, const std::vector<char32_t>& text, size_t at) {
  if (text[at] == kDottedCapitalI) {
    out += "i\xCC\x87";
  } else if (text[at] == kCapitalSigma) {
    text::append_utf8(out, ends_word(text, at) ? kFinalSigma : kSigma);
  } else {
    text::append_utf8(out, static_cast<char32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(text[at]))));
  }
}

}  // namespace

bool is_python_space(char32_t c) {
  return (c >= 0x1C && c <= 0x1F) || (c < 0x80 ? c == ' ' || (c >= 9 && c <= 13) : text::char_class(c) == text::CharClass::kSpace);
}

std::string_view rstrip(std::string_view text) {
  for (size_t end = text.size(); end > 0; text = text.substr(0, end))
    if (!is_python_space(previous_code_point(text, end))) break;
  return text;
}

std::string_view lstrip(std::string_view text) {
  for (size_t at = 0; at < text.size();) {
    const size_t begin = at;
    if (!is_python_space(text::next_code_point(text, at))) return text.substr(begin);
  }
  return {};
}

std::string_view strip(std::string_view text) { return lstrip(rstrip(text)); }

int64_t code_points(std::string_view text) {
  int64_t count = 0;
  for (const char c : text) count += (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  return count;
}

std::string lower(std::string_view text) {
  const std::vector<char32_t> points = decoded(text);
  std::string out;
  for (size_t i = 0; i < points.size(); ++i) append_lower(out, points, i);
  return out;
}

std::string capitalize(std::string_view text) {
  const std::vector<char32_t> points = decoded(text);
  std::string out;
  for (size_t i = 0; i < points.size(); ++i)
    if (i > 0)
      append_lower(out, points, i);
    else if (points[i] == kSharpS)
      out += "Ss";
    else
      text::append_utf8(out, static_cast<char32_t>(utf8proc_totitle(static_cast<utf8proc_int32_t>(points[i]))));
  return out;
}

std::string replace_all(std::string_view text, std::string_view from, std::string_view to) {
  std::string out;
  size_t at = 0;
  for (size_t found; (found = text.find(from, at)) != std::string_view::npos; at = found + from.size())
    out.append(text.substr(at, found - at)).append(to);
  return out.append(text.substr(at));
}

int64_t count_words(std::string_view text) {
  int64_t pieces = 1;
  bool space = false;
  for (size_t at = 0; at < text.size();) {
    const bool here = is_python_space(text::next_code_point(text, at));
    pieces += here && !space;
    space = here;
  }
  return pieces;
}

std::string json_text(std::string_view text) { return nlohmann::json(text).dump(-1, ' ', true); }

}  // namespace spectra::eval
