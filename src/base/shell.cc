// SPDX-License-Identifier: Apache-2.0
#include "base/shell.h"

#include <algorithm>
#include <cctype>
#include <cstring>

namespace spectra {

std::string shell_word(const std::string& word) {
  const auto plain = [](char c) {
    return c != 0 && (std::isalnum(static_cast<unsigned char>(c)) != 0 || std::strchr("@%_+=:,./-", c) != nullptr);
  };
  if (!word.empty() && std::all_of(word.begin(), word.end(), plain)) return word;
  std::string text = "'";
  for (const char c : word) text += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return text + "'";
}

std::string shell_words(const std::vector<std::string>& words) {
  std::string line;
  for (const std::string& word : words) line += (line.empty() ? "" : " ") + shell_word(word);
  return line;
}

}  // namespace spectra
