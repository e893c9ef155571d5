// SPDX-License-Identifier: Apache-2.0
#include "infer/prefix_index.h"

#include <gtest/gtest.h>

#include "models.h"

namespace spectra::infer {
namespace {

class PrefixIndexes : public testing::Test {
 protected:
  PrefixIndexes() : store_(6), index_(store_) {}
  /// A sequence of these tokens, whose full pages are in the index.
  KvSequence filled(const std::vector<int32_t>& tokens) {
    KvSequence sequence;
    store_.claim(sequence, 0, static_cast<int64_t>(tokens.size()));
    uint64_t last = PrefixIndex::kStart;
    for (size_t i = 0; (i + 1) * 64 <= tokens.size(); ++i)
      last = index_.add(last, std::span(tokens).subspan(i * 64, 64), sequence.pages[i]);
    return sequence;
  }
  std::vector<int32_t> first(const KvSequence& s, size_t count) const {
    return {s.pages.begin(), s.pages.begin() + static_cast<ptrdiff_t>(count)};
  }

  KvPages store_;
  PrefixIndex index_;
};

TEST_F(PrefixIndexes, FindsTheLongestRunOfFullPages) {
  const std::vector<int32_t> tokens = test::random_tokens(180, 150, 1);
  const KvSequence sequence = filled(tokens);
  EXPECT_EQ(index_.find(tokens).pages, first(sequence, 2));
  EXPECT_EQ(index_.find(std::span(tokens).first(127)).pages, first(sequence, 1));
  EXPECT_TRUE(index_.find(std::span(tokens).first(63)).pages.empty());
  std::vector<int32_t> other = tokens;
  other[63] ^= 1;
  EXPECT_TRUE(index_.find(other).pages.empty());  // the second page's tokens are equal, but what is before them is not
  EXPECT_TRUE(index_.find(std::span(tokens).subspan(64)).pages.empty());
}

TEST_F(PrefixIndexes, TheFirstOfEqualPagesStandsForBoth) {
  const std::vector<int32_t> tokens = test::random_tokens(128, 150, 1);
  KvSequence one = filled(tokens);
  const KvSequence two = filled(tokens);
  EXPECT_EQ(index_.find(tokens).pages, one.pages);
  store_.clear(one);
  EXPECT_EQ(index_.find(tokens).pages.size(), 2u);  // free, but nothing was written to them yet
}

TEST_F(PrefixIndexes, TheLongestFreePagesAreForgottenFirstAndTailsBeforeHeads) {
  const std::vector<int32_t> old = test::random_tokens(128, 150, 1), recent = test::random_tokens(128, 150, 2);
  KvSequence a = filled(old), b = filled(recent);
  const std::vector<int32_t> old_pages = a.pages, recent_pages = b.pages;
  store_.clear(a);
  store_.clear(b);
  KvSequence user;
  store_.claim(user, 0, 128);  // the two pages that were never used
  EXPECT_EQ(index_.find(old).pages, old_pages);
  store_.claim(user, 128, 192);
  EXPECT_EQ(index_.find(old).pages, std::vector<int32_t>{old_pages[0]});
  store_.claim(user, 192, 256);
  EXPECT_TRUE(index_.find(old).pages.empty());
  EXPECT_EQ(index_.find(recent).pages, recent_pages);
  KvSequence again = store_.share(recent_pages, 128);  // in use again, hence not handed out
  EXPECT_EQ(store_.free_pages(), 0);
  store_.clear(again);
  store_.clear(user);
}

TEST_F(PrefixIndexes, APageThatIsWrittenAgainIsForgotten) {
  const std::vector<int32_t> tokens = test::random_tokens(128, 150, 1);
  KvSequence sequence = filled(tokens);
  store_.claim(sequence, 100, 128);
  EXPECT_EQ(index_.find(tokens).pages, first(sequence, 1));
  // What follows a page that was replaced is not found under the new one.
  store_.claim(sequence, 0, 128);
  index_.add(PrefixIndex::kStart, std::span(tokens).first(64), sequence.pages[0]);
  EXPECT_EQ(index_.find(tokens).pages, first(sequence, 1));
}

}  // namespace
}  // namespace spectra::infer
