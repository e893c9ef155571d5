// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "base/rng.h"
#include "eval/statistics.h"

namespace spectra::eval {
namespace {

// 1000 pairs of equal models, 600 documents: each gets a fourth of the discordant half right, so 150 discordant pairs are expected.
// Tests at 5 % reject 3.5 % to 6.5 %: 2.2 standard deviations of a binomial with 1000 draws on either side.
TEST(Statistics, EqualModelsAreSeldomCalledDifferent) {
  int bootstrap = 0, exact = 0, mid = 0;
  Rng rng(17);
  constexpr int kPairs = 1000;
  for (int pair = 0; pair < kPairs; ++pair) {
    std::vector<double> a, b;
    for (int i = 0; i < 600; ++i) {
      const double draw = rng.uniform();
      const bool discordant = draw < 0.25, first = rng.uniform() < 0.5;
      const double same = draw < 0.6 ? 1 : 0;
      a.push_back(discordant ? (first ? 1 : 0) : same);
      b.push_back(discordant ? (first ? 0 : 1) : same);
    }
    bootstrap += paired_bootstrap(a, b, 500, static_cast<uint64_t>(pair)).p.value() < 0.05;
    exact += mcnemar(a, b).exact_p < 0.05;
    mid += mcnemar(a, b).mid_p < 0.05;
  }
  for (const int rejected : {bootstrap, exact, mid}) EXPECT_LE(rejected, kPairs * 65 / 1000);
  for (const int rejected : {bootstrap, mid}) EXPECT_GE(rejected, kPairs * 35 / 1000);
  RecordProperty("bootstrap", bootstrap);
  RecordProperty("exact", exact);
  RecordProperty("mid", mid);
}

}  // namespace
}  // namespace spectra::eval
