// SPDX-License-Identifier: Apache-2.0
#pragma once
// A template cut into text and tags, and these into tokens.
#include <string>
#include <vector>

namespace spectra::text::jinja {

enum class Kind { kText, kBegin, kEnd, kName, kString, kNumber, kSign };

/// kText: text between tags. kBegin: "{{" or "{%", kEnd: "}}" or "%}". kSign: an operator or bracket.
struct Lexeme {
  Kind kind;
  std::string text;
  int line;
};

/// Throws TemplateError where a tag or a string does not end, or a sign is not known.
std::vector<Lexeme> scan(const std::string& source);

}  // namespace spectra::text::jinja
