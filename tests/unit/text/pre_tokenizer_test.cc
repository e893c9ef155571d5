// SPDX-License-Identifier: Apache-2.0
#include "text/pre_tokenizer.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "base/rng.h"
#include "test_data.h"
#include "text/added_tokens.h"
#include "text/decompress.h"
#include "text/gpt2_pattern.h"
#include "text/unicode.h"

namespace spectra::text {
namespace {

using Pieces = std::vector<std::string>;

Pieces pieces_of(const PreTokenizerStep& step, std::string_view text) {
  Pieces pieces;
  step.split(text, [&](std::string_view piece) { pieces.emplace_back(piece); });
  return pieces;
}

const Regex& gpt2_regex() {
  static const Regex regex(kGpt2Pattern, false, "GPT-2");
  return regex;
}

/// The hand-written matcher against PCRE2 running the published pattern.
void expect_same_as_pcre2(const std::string& text) {
  Pieces expected;
  gpt2_regex().for_each(text, [&](size_t begin, size_t end) { expected.push_back(text.substr(begin, end - begin)); });
  ASSERT_EQ(pieces_of(*byte_level_step(false, true), text), expected) << text;
}

TEST(Gpt2Pattern, EveryCharacter) {
  const Regex unassigned("\\p{Cn}", false, "test");  // the two libraries know different versions of Unicode
  for (char32_t c = 1; c < 0x110000; ++c) {
    if ((c >= 0xD800 && c <= 0xDFFF) || c == 0x180E) continue;  // U+180E: no white space since Unicode 6.3, but PCRE2's \s
    std::string text;
    append_utf8(text, c);
    bool known = true;
    unassigned.for_each(text, [&](size_t, size_t) { known = false; });
    if (known) expect_same_as_pcre2("a" + text + " " + text + "1 " + text + text + "  ");
    if (HasFatalFailure()) return;
  }
}

TEST(Gpt2Pattern, RandomText) {
  const char* const pool[] = {"a",  "B",  "\xC3\xA9", "\xE4\xBD\xA0",     "1",        "\xC2\xBD", " ",   " ",
                              "\n", "\t", "\xC2\xA0", "\xE3\x80\x80",     "'",        "'s",       "'ll", "'re",
                              "'T", "!",  "-",        "\xF0\x9F\xA6\x99", "\xCC\x81", "\r\n"};
  Rng rng(3);
  for (int round = 0; round < 30000; ++round) {
    std::string text;
    for (uint64_t length = 1 + rng.below(12); length > 0; --length) text += pool[rng.below(std::size(pool))];
    expect_same_as_pcre2(text);
    if (HasFatalFailure()) return;
  }
}

TEST(Gpt2Pattern, RealText) {
  const fs::path text = test::data_directory() / "text/wikitext2-test.raw.gz";
  SPECTRA_NEEDS_DATA(text);
  expect_same_as_pcre2(read_decompressed(text));
}

// The expected pieces are those in the documentation of HF's SplitDelimiterBehavior, for "the-final--countdown" cut at "-".
TEST(Split, Behaviors) {
  const auto cut = [](SplitBehavior behavior) {
    return pieces_of(*split_step(Regex("-", true, "test"), behavior, false), "the-final--countdown");
  };
  EXPECT_EQ(cut(SplitBehavior::kRemoved), (Pieces{"the", "final", "countdown"}));
  EXPECT_EQ(cut(SplitBehavior::kIsolated), (Pieces{"the", "-", "final", "-", "-", "countdown"}));
  EXPECT_EQ(cut(SplitBehavior::kMergedWithPrevious), (Pieces{"the-", "final-", "-", "countdown"}));
  EXPECT_EQ(cut(SplitBehavior::kMergedWithNext), (Pieces{"the", "-final", "-", "-countdown"}));
  EXPECT_EQ(cut(SplitBehavior::kContiguous), (Pieces{"the", "-", "final", "--", "countdown"}));
}

TEST(Split, InvertedPatternKeepsTheMatches) {
  EXPECT_EQ(pieces_of(*split_step(Regex("\\w+", false, "test"), SplitBehavior::kRemoved, true), "a, bc! d"),
            (Pieces{"a", "bc", "d"}));
}

TEST(Split, LiteralPatternIsNoExpression) {
  EXPECT_EQ(pieces_of(*split_step(Regex(".", true, "test"), SplitBehavior::kIsolated, false), "a.b"), (Pieces{"a", ".", "b"}));
}

TEST(Split, BadPatternSaysWhere) {
  try {
    Regex("a(b", false, "tokenizer.json.pre_tokenizer");
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("tokenizer.json.pre_tokenizer"), std::string::npos);
    EXPECT_NE(std::string(error.what()).find("a(b"), std::string::npos);
  }
}

TEST(Split, EndlessBacktrackingIsAnError) {
  const Regex slow("(x+x+)+[yz]", false, "test");
  EXPECT_THROW(slow.for_each(std::string(60, 'x'), [](size_t, size_t) {}), Error);
}

TEST(Digits, TogetherAndIndividual) {
  EXPECT_EQ(pieces_of(*digits_step(false), "Call 911 now"), (Pieces{"Call ", "911", " now"}));
  EXPECT_EQ(pieces_of(*digits_step(true), "Call 911"), (Pieces{"Call ", "9", "1", "1"}));
}

TEST(ByteLevel, PrefixSpace) {
  EXPECT_EQ(pieces_of(*byte_level_step(true, true), "Hi you"), (Pieces{" Hi", " you"}));
  EXPECT_EQ(pieces_of(*byte_level_step(true, true), " Hi"), (Pieces{" Hi"}));
  EXPECT_EQ(pieces_of(*byte_level_step(true, false), "Hi you"), (Pieces{" Hi you"}));
  EXPECT_EQ(pieces_of(*byte_level_step(true, true), ""), Pieces{});
}

/// Tokens shown as "<id>", texts between as they are.
std::string split_shown(const AddedTokenMatcher& matcher, const std::string& text, bool allow_special = true) {
  std::string shown;
  matcher.split(
      text, allow_special, [&](uint32_t id) { shown += "<" + std::to_string(id) + ">"; },
      [&](std::string_view piece) { shown += "[" + std::string(piece) + "]"; });
  return shown;
}

TEST(AddedTokens, LongestAtTheLeftmostPlace) {
  AddedTokenMatcher matcher;
  matcher.add({1, "ab"});
  matcher.add({2, "abcd"});
  matcher.add({3, "bcde"});
  matcher.add({4, "  "});
  EXPECT_EQ(split_shown(matcher, "xabcde"), "[x]<2>[e]");
  EXPECT_EQ(split_shown(matcher, "abcx"), "<1>[cx]");
  EXPECT_EQ(split_shown(matcher, "a     b"), "[a]<4><4>[ b]");
  EXPECT_EQ(split_shown(matcher, ""), "");
}

TEST(AddedTokens, StripSingleWordAndSpecial) {
  AddedTokenMatcher matcher;
  AddedToken left{1, "<l>"}, right{2, "<r>"}, word{3, "word"}, special{4, "<s>"};
  left.lstrip = right.rstrip = word.single_word = special.special = true;
  for (const AddedToken& token : {left, right, word, special}) matcher.add(token);
  EXPECT_EQ(split_shown(matcher, "a \xC2\xA0 <l> b"), "[a]<1>[ b]");
  EXPECT_EQ(split_shown(matcher, "a <r>  \n b"), "[a ]<2>[b]");
  EXPECT_EQ(split_shown(matcher, "<r>  <l>"), "<2><1>");
  EXPECT_EQ(split_shown(matcher, "a word, words sword \xC3\xA9word"), "[a ]<3>[, words sword \xC3\xA9word]");
  EXPECT_EQ(split_shown(matcher, "a<s>b"), "[a]<4>[b]");
  EXPECT_EQ(split_shown(matcher, "a<s>b", false), "[a<s>b]");
}

}  // namespace
}  // namespace spectra::text
