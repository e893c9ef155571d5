// SPDX-License-Identifier: Apache-2.0
#include "base/shell.h"

#include <gtest/gtest.h>

#include <cstdio>

namespace spectra {
namespace {

/// What a real shell reads.
std::string read_by_shell(const std::string& word) {
  FILE* pipe = ::popen(("printf %s " + shell_word(word)).c_str(), "r");
  std::string text;
  for (int c; (c = std::fgetc(pipe)) != EOF;) text += static_cast<char>(c);
  ::pclose(pipe);
  return text;
}

TEST(Shell, ReadsBackAnyWord) {
  for (const std::string word : {"plain-1.0/x=y", "two words", "it's", "$HOME `id` \"q\" \\ ", "#~[{!*?", "a\nb", "-"})
    EXPECT_EQ(read_by_shell(word), word);
  EXPECT_EQ(shell_word(""), "''");
  EXPECT_EQ(shell_word("data/x.txt"), "data/x.txt") << "what needs no quotes has none";
  EXPECT_EQ(shell_words({"spectra", "a b"}), "spectra 'a b'");
}

}  // namespace
}  // namespace spectra
