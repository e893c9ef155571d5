// SPDX-License-Identifier: Apache-2.0
#include "eval/token_request.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "test_data.h"

namespace spectra::eval {
namespace {

using Ids = std::vector<int32_t>;

/// The last `count` tokens.
Ids tail(const Ids& ids, int64_t count) { return {ids.end() - count, ids.end()}; }

class EncoderTest : public testing::Test {
 protected:
  void SetUp() override {
    const auto file = test::data_directory() / "tokenizer/20B_tokenizer.json.gz";
    SPECTRA_NEEDS_DATA(file);
    tokenizer_ = std::make_unique<text::Tokenizer>(text::Tokenizer::load(file));
  }
  Ids ids(const std::string& text) const {
    const std::vector<uint32_t> encoded = tokenizer_->encode(text);
    return {encoded.begin(), encoded.end()};
  }
  std::unique_ptr<text::Tokenizer> tokenizer_;
};

TEST_F(EncoderTest, ContinuationIsWhatTheWholeHasMoreThanTheContext) {
  Encoder encoder(*tokenizer_, 2048);
  const TokenRequest plain = encoder.encode({"Question: why?\nAnswer:", " because"}, "");
  EXPECT_EQ(plain.tokens, ids("Question: why?\nAnswer: because"));
  EXPECT_EQ(plain.scored, 1);
}

TEST_F(EncoderTest, WhiteSpaceAtTheSeamGoesToTheContinuation) {
  Encoder encoder(*tokenizer_, 2048);
  // "A:" + "  two" : two spaces are one token of this tokenizer.
  const TokenRequest moved = encoder.encode({"A: ", " two"}, "");
  EXPECT_EQ(moved.tokens, ids("A:  two"));
  EXPECT_EQ(moved.scored, static_cast<int64_t>(ids("A:  two").size() - ids("A:").size()));
  const TokenRequest wide = encoder.encode({"A\xE3\x80\x80\xC2\xA0", "b"}, "");
  EXPECT_EQ(wide.scored, static_cast<int64_t>(ids("A\xE3\x80\x80\xC2\xA0"
                                                  "b")
                                                  .size() -
                                              ids("A").size()));
}

// "hel" + "lo" is one token together: the context keeps its own tokens, and the whole is cut by their number.
TEST_F(EncoderTest, SeamIsCutByCount) {
  Encoder encoder(*tokenizer_, 2048);
  const Ids context = ids("unbel"), whole = ids("unbelievable story");
  ASSERT_NE(Ids(whole.begin(), whole.begin() + static_cast<ptrdiff_t>(context.size())), context)
      << "the test needs a merge across the seam";
  const TokenRequest request = encoder.encode({"unbel", "ievable story"}, "");
  Ids expected = context;
  expected.insert(expected.end(), whole.begin() + static_cast<ptrdiff_t>(context.size()), whole.end());
  EXPECT_EQ(request.tokens, expected);
  EXPECT_EQ(request.scored, static_cast<int64_t>(whole.size() - context.size()));
}

TEST_F(EncoderTest, EmptyContextIsEndOfText) {
  Encoder encoder(*tokenizer_, 2048);
  Ids expected = ids("A sentence.");
  const auto count = static_cast<int64_t>(expected.size());
  expected.insert(expected.begin(), tokenizer_->eos());
  for (const char* context : {"", " "}) {
    const TokenRequest request = encoder.encode({context, "A sentence."}, "");
    if (*context == '\0') {
      EXPECT_EQ(request.tokens, expected);
    }
    EXPECT_EQ(request.tokens[0], tokenizer_->eos());
    EXPECT_GE(request.scored, count);
  }
}

TEST_F(EncoderTest, LongContextLosesItsBeginning) {
  Encoder encoder(*tokenizer_, 8);
  const std::string context = "one two three four five six seven eight nine ten";
  const TokenRequest request = encoder.encode({context, " eleven twelve"}, "");
  EXPECT_EQ(request.tokens, tail(ids(context + " eleven twelve"), 9)) << "eight inputs and the last token";
  EXPECT_EQ(request.scored, 2);
  EXPECT_EQ(encoder.encode({"one", " two three four five six seven eight nine"}, "").scored, 8) << "the longest that fits";
}

TEST_F(EncoderTest, WhatCannotBeScoredIsAnError) {
  Encoder encoder(*tokenizer_, 8);
  EXPECT_THROW(encoder.encode({"A context", ""}, "file:7"), Error);
  EXPECT_THROW(encoder.encode({"one", " two three four five six seven eight nine ten"}, "file:7"), Error);
  EXPECT_THROW(encoder.encode({"", ""}, "file:7"), Error);
}

// 21 tokens with 8 inputs: 8 predictions, 8 more with one token of context, 5 with the window filled up on the left.
TEST_F(EncoderTest, RollingWindows) {
  const Encoder encoder(*tokenizer_, 8);
  std::string text = "one";
  for (int i = 0; i < 20; ++i) text += " two";
  Ids stream = ids(text);
  ASSERT_EQ(stream.size(), 21u);
  stream.insert(stream.begin(), tokenizer_->eos());
  const std::vector<TokenRequest> windows = encoder.rolling(text);
  ASSERT_EQ(windows.size(), 3u);
  EXPECT_EQ(windows[0].tokens, Ids(stream.begin(), stream.begin() + 9));
  EXPECT_EQ(windows[1].tokens, Ids(stream.begin() + 8, stream.begin() + 17));
  EXPECT_EQ(windows[2].tokens, Ids(stream.begin() + 13, stream.begin() + 22));
  EXPECT_EQ(windows[0].scored, 8);
  EXPECT_EQ(windows[1].scored, 8);
  EXPECT_EQ(windows[2].scored, 5);
  EXPECT_TRUE(encoder.rolling("").empty());
}

TEST_F(EncoderTest, PromptsLeaveRoom) {
  Encoder encoder(*tokenizer_, 8);
  EXPECT_EQ(encoder.prompt("one two three four five six", 4), tail(ids("one two three four five six"), 4));
  EXPECT_EQ(encoder.cut(), 1);
  EXPECT_THROW(encoder.prompt("one two", 8), Error) << "no room for a question";
}

}  // namespace
}  // namespace spectra::eval
