// SPDX-License-Identifier: Apache-2.0
// How rich the language of the stories is: distinct sentences among those of 200,000 stories.
#include <gtest/gtest.h>

#include <cctype>
#include <cmath>
#include <unordered_map>

#include "text/stories.h"

namespace spectra::text {
namespace {

/// A sentence ends at . ! ? (and a closing quotation mark) before a capital, a quotation mark or the end of its paragraph.
template <class Visit>
void each_sentence(const std::string& text, Visit visit) {
  size_t start = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '.' && text[i] != '!' && text[i] != '?' && text[i] != '\n') continue;
    size_t end = i + 1;
    if (end < text.size() && text[end] == '"') ++end;
    const bool over = end + 1 >= text.size() || text[end] == '\n' ||
                      (text[end] == ' ' && (text[end + 1] == '"' || std::isupper(static_cast<unsigned char>(text[end + 1])) != 0));
    if (!over) continue;
    visit(text.substr(start, end - start));
    start = i = end + 1;
  }
}

TEST(SlowStories, SeldomRepeatASentence) {
  std::unordered_map<std::string, int> counts;
  size_t total = 0, new_late = 0;
  constexpr uint64_t kStories = 200'000;
  for (uint64_t index = 0; index < kStories; ++index)
    each_sentence(story(1, index, false), [&](std::string sentence) {
      const bool fresh = counts[std::move(sentence)]++ == 0;
      ++total;
      new_late += fresh && index >= kStories / 2 ? 1 : 0;
    });
  double once = 0, twice = 0;
  for (const auto& [sentence, count] : counts) {
    once += count == 1 ? 1 : 0;
    twice += count == 2 ? 1 : 0;
  }
  // Chao's lower bound for the number of kinds from those seen once and twice (Chao 1984); far below the truth here, because few
  // templates are used often and many rarely.
  const double at_least = static_cast<double>(counts.size()) + once * once / (2 * twice);
  RecordProperty("sentences", std::to_string(total));
  RecordProperty("distinct", std::to_string(counts.size()));
  RecordProperty("estimate", std::to_string(std::llround(at_least)));
  EXPECT_GT(counts.size(), 500'000u);
  EXPECT_GT(at_least, 1'000'000.0);
  EXPECT_GT(new_late, counts.size() / 4);  // the second half is far from only repeating the first
}

}  // namespace
}  // namespace spectra::text
