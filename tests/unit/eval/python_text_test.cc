// SPDX-License-Identifier: Apache-2.0
// Expected texts are CPython 3.11's.
#include "eval/python_text.h"

#include <gtest/gtest.h>

#include "eval/filters.h"

namespace spectra::eval {
namespace {

std::string filtered(const char* name, std::string_view text) {
  return apply_filters(parse_filters(std::string("|") + name, ""), std::string(text), "");
}

TEST(PythonText, WhiteSpace) {
  EXPECT_EQ(strip("\xC2\xA0\t a\xE3\x80\x80 b \x1F\xE2\x80\x89"), "a\xE3\x80\x80 b");
  EXPECT_EQ(rstrip("a\xE2\x80\x8B"), "a\xE2\x80\x8B") << "a zero-width space is no white space";
  EXPECT_EQ(strip(" \n"), "");
  EXPECT_EQ(lstrip("\n\n a \n"), "a \n");
  EXPECT_EQ(rstrip(""), "");
}

TEST(PythonText, Case) {
  EXPECT_EQ(capitalize("hELLO wORLD"), "Hello world");
  EXPECT_EQ(capitalize("ßa"), "Ssa");
  EXPECT_EQ(capitalize("ΑΣ ΑΣΑ Σ"), "Ας ασα σ");
  EXPECT_EQ(capitalize("İX"), "İx");
  EXPECT_EQ(lower("İX"), "i\xCC\x87x");
  EXPECT_EQ(capitalize("ǆABC"), "ǅabc");
  EXPECT_EQ(capitalize("\xCC\x81"
                       "ABC"),
            "\xCC\x81"
            "abc")
      << "a combining accent is the first character";
  EXPECT_EQ(lower("ΟΔΟΣ."), "οδος.");
  EXPECT_EQ(capitalize("1ABC"), "1abc");
  EXPECT_EQ(capitalize(""), "");
}

TEST(PythonText, Counts) {
  EXPECT_EQ(code_points("e\xCC\x81né\xF0\x9F\x98\x80"), 5);
  EXPECT_EQ(count_words(" a  b\n"), 4) << "empty pieces at the ends count";
  EXPECT_EQ(count_words("a b"), 2);
  EXPECT_EQ(count_words(""), 1);
}

TEST(PythonText, Json) {
  EXPECT_EQ(json_text("a\"\\\n\x7F\xC3\xA9\xF0\x9F\x98\x80"), "\"a\\\"\\\\\\n\\u007f\\u00e9\\ud83d\\ude00\"");
}

TEST(Filters, Hellaswag) {
  EXPECT_EQ(filtered("hellaswag", "  [title] A [b] c "), " A c") << "strip comes first, so the title has no space before it";
  EXPECT_EQ(filtered("hellaswag", "a [title] b"), "a. b");
  EXPECT_EQ(filtered("hellaswag", "[step] Foo"), " Foo") << "no strip at the end";
  EXPECT_EQ(filtered("hellaswag", "a   b    c"), "a  b  c") << "pairs, in one pass";
  EXPECT_EQ(filtered("hellaswag", "a [b [c] d"), "a d") << "the shortest span from the first bracket";
  EXPECT_EQ(filtered("hellaswag", "a [b c"), "a [b c") << "a bracket that does not close stays";
  EXPECT_EQ(filtered("hellaswag", "a [b\nc] [d] e"), "a [b\nc] e") << "a span does not run over a line break";
  EXPECT_EQ(filtered("hellaswag", "a ] b []"), "a ] b ");
}

TEST(Filters, Wikitext) {
  EXPECT_EQ(filtered("wikitext", " = Title = \n a @-@ b , c @.@ 5 ( d ) \" e \" s ' N 's ° \n"),
            " = Title =\na-b, c.5 (d) \"e\" s'N's°\n");
  EXPECT_EQ(filtered("wikitext", "( a"), "( a");
  EXPECT_EQ(filtered("wikitext", "( [ a ) ]"), "([a)]") << "no nesting: two passes";
}

TEST(Filters, Words) {
  EXPECT_EQ(filtered("before_last_word", "a b  c"), "a b ");
  EXPECT_EQ(filtered("last_word", "a b\nc"), "b\nc") << "only the ASCII space separates";
  EXPECT_EQ(filtered("before_last_word", "one"), "");
  EXPECT_EQ(filtered("last_word", "one"), "one");
  EXPECT_EQ(filtered("before_blank", "The _ was a _."), "The ");
  EXPECT_EQ(filtered("after_blank", "The _ was a _."), " was a _.");
}

}  // namespace
}  // namespace spectra::eval
