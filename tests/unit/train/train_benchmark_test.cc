// SPDX-License-Identifier: Apache-2.0
#include "train/train_benchmark.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace spectra::train {
namespace {

TrainBenchmarkOptions tiny() {
  TrainBenchmarkOptions options;
  options.family = "float";
  options.hidden = 32, options.glu = 40, options.heads = 2, options.layers = 2, options.vocab = 256;
  options.batch = 2, options.sequence = 16;
  options.precision = "fp32";
  options.steps = 3, options.warmup = 1;
  return options;
}

TEST(TrainBenchmark, PartsAddUpToTheStep) {
  const TrainBenchmark result = benchmark_training(tiny());
  EXPECT_EQ(result.tokens, 32);
  EXPECT_EQ(result.precision, "fp32");
  EXPECT_GT(result.peak_flops, 0);
  EXPECT_GT(result.seconds.min, 0);
  EXPECT_LE(result.seconds.min, result.seconds.median);
  EXPECT_LE(result.seconds.median, result.seconds.max);
  ASSERT_EQ(result.parts.size(), 9u);
  EXPECT_EQ(result.parts.back().first, "rest");
  double sum = 0;
  for (const auto& part : result.parts) {
    EXPECT_GT(part.second, 0) << part.first;
    sum += part.second;
  }
  EXPECT_GE(sum, result.seconds.min * (1 - 1e-9));
  EXPECT_LE(sum, result.seconds.max * (1 + 1e-9));
  // qkv, o, gate and up, down, head: forward, input gradient and weight gradient of each.
  EXPECT_EQ(result.products.size(), 15u);
}

TEST(TrainBenchmark, TakesEveryFamilyAndSize) {
  for (const char* family : {"ternary", "binary"}) {
    TrainBenchmarkOptions options = tiny();
    options.family = family;
    options.steps = 1, options.warmup = 0;
    EXPECT_GT(benchmark_training(options).tokens_per_second(), 0);
  }
  TrainBenchmarkOptions options = tiny();
  options.size = "98M";
  EXPECT_THROW(benchmark_training(options), Error);
}

TEST(Spread, OfOddAndEvenCounts) {
  const Spread odd = spread_of({3, 1, 2}), even = spread_of({4, 1, 2, 3});
  EXPECT_EQ(odd.median, 2);
  EXPECT_EQ(odd.min, 1);
  EXPECT_EQ(odd.max, 3);
  EXPECT_EQ(even.median, 2.5);
}

}  // namespace
}  // namespace spectra::train
