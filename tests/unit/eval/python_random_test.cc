// SPDX-License-Identifier: Apache-2.0
// Expected numbers are CPython 3.11's.
#include "eval/python_random.h"

#include <gtest/gtest.h>

namespace spectra::eval {
namespace {

TEST(PythonRandom, Uniform) {
  PythonRandom random(42);
  EXPECT_EQ(random.uniform(), 0.6394267984578837);
  EXPECT_EQ(random.uniform(), 0.025010755222666936);
  PythonRandom five(5);
  double last = 0;
  for (int i = 0; i < 1000; ++i) last = five.uniform();
  EXPECT_EQ(last, 0.49437704439476116);
}

TEST(PythonRandom, Shuffle) {
  std::vector<int> items = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9};
  PythonRandom(42).shuffle(items);
  EXPECT_EQ(items, (std::vector<int>{7, 3, 2, 8, 5, 6, 9, 4, 0, 1}));
}

// Small populations are drawn from a pool, large ones by drawing again; 85 of 8 is the last that is small.
TEST(PythonRandom, Sample) {
  PythonRandom random(1234);
  using Indices = std::vector<size_t>;
  EXPECT_EQ(random.sample(10, 3), (Indices{7, 1, 0}));
  EXPECT_EQ(random.sample(1000, 5), (Indices{92, 932, 965, 961, 826}));
  EXPECT_EQ(random.sample(100, 7), (Indices{74, 4, 85, 88, 10, 12, 98}));
  EXPECT_EQ(random.sample(85, 8), (Indices{45, 30, 2, 3, 82, 44, 61, 59}));
  EXPECT_EQ(random.sample(86, 8), (Indices{19, 11, 23, 14, 1, 64, 62, 31}));
}

TEST(PythonRandom, Choices) {
  PythonRandom random(0);
  std::vector<size_t> drawn;
  for (int i = 0; i < 5; ++i) drawn.push_back(random.choice(1000));
  EXPECT_EQ(drawn, (std::vector<size_t>{844, 757, 420, 258, 511}));
}

}  // namespace
}  // namespace spectra::eval
