// SPDX-License-Identifier: Apache-2.0
#include "infer/text_stream.h"

#include <gtest/gtest.h>

#include "text/tokenizer.h"

namespace spectra::infer {
namespace {

/// Feeds `text` in pieces of `size` bytes; checks that every piece shown is whole characters, and returns all of it.
std::string streamed(const std::string& text, size_t size, const std::vector<std::string>& stops, bool* stopped = nullptr) {
  TextStream stream(stops);
  std::string all;
  const auto add = [&](const std::string& piece) {
    EXPECT_EQ(text::sanitize_utf8(piece), piece);
    all += piece;
  };
  for (size_t i = 0; i < text.size(); i += size) add(stream.push(text.substr(i, size)));
  add(stream.finish());
  if (stopped != nullptr) *stopped = stream.stopped();
  return all;
}

TEST(TextStream, NeverShowsHalfACharacter) {
  const std::string text = "aé€😀z — 日本語 ñ";
  for (size_t size = 1; size <= text.size(); ++size) EXPECT_EQ(streamed(text, size, {}), text);
}

TEST(TextStream, ShowsAsSoonAsACharacterIsWhole) {
  TextStream stream({});
  EXPECT_EQ(stream.push("a\xE2"), "a");
  EXPECT_EQ(stream.push("\x82"), "");
  EXPECT_EQ(stream.push("\xAC"), "€");
  EXPECT_EQ(stream.push("b"), "b");
}

TEST(TextStream, ReplacesWhatIsNotUtf8) {
  for (size_t size = 1; size < 4; ++size) {
    EXPECT_EQ(streamed("a\xFFz", size, {}), "a\uFFFDz");
    EXPECT_EQ(streamed("a\xF0\x9F\x98", size, {}), "a\uFFFD");  // cut off at the end
    EXPECT_EQ(streamed("a\x80\x80z", size, {}), "a\uFFFD\uFFFDz");
  }
}

TEST(TextStream, EndsBeforeTheFirstStopString) {
  for (size_t size = 1; size < 9; ++size) {
    bool stopped = false;
    EXPECT_EQ(streamed("one two three", size, {"three", "two"}, &stopped), "one ");
    EXPECT_TRUE(stopped);
    EXPECT_EQ(streamed("one two three", size, {"four", ""}, &stopped), "one two three");
    EXPECT_FALSE(stopped);
    EXPECT_EQ(streamed("xaab", size, {"aab"}, &stopped), "x");
    EXPECT_EQ(streamed("aaab", size, {"aab"}, &stopped), "a");
    EXPECT_EQ(streamed("end😀", size, {"😀"}, &stopped), "end");
  }
}

TEST(TextStream, HoldsBackOnlyWhatMayBecomeAStopString) {
  TextStream stream({"\n\nQ:"});
  EXPECT_EQ(stream.push("a\n"), "a");
  EXPECT_EQ(stream.push("b"), "\nb");
  EXPECT_EQ(stream.push("\n\nQ"), "");
  EXPECT_EQ(stream.push("!"), "\n\nQ!");
  EXPECT_EQ(stream.push("\n\n"), "");
  EXPECT_EQ(stream.finish(), "\n\n");
}

TEST(TextStream, LengthOfAnUnfinishedCharacter) {
  EXPECT_EQ(incomplete_utf8(""), 0u);
  EXPECT_EQ(incomplete_utf8("abc"), 0u);
  EXPECT_EQ(incomplete_utf8("é"), 0u);
  EXPECT_EQ(incomplete_utf8("\xC3"), 1u);
  EXPECT_EQ(incomplete_utf8("x\xF0\x9F\x98"), 3u);
  EXPECT_EQ(incomplete_utf8("\x80\x80\x80\x80"), 0u);
}

}  // namespace
}  // namespace spectra::infer
