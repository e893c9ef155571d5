// SPDX-License-Identifier: Apache-2.0
#pragma once
// Times the complete training step (forward, backward, clipping, AdamW, quantizing the weights again) on random tokens.
#include <string>
#include <utility>
#include <vector>

#include "ops/backend.h"
#include "train/plan.h"

namespace spectra::train {

struct TrainBenchmarkOptions {
  std::string size;    ///< a row of the paper's table; "" = the dimensions
  std::string family;  ///< float | ternary | binary
  int64_t hidden = 0, glu = 0, heads = 0, layers = 0;
  int64_t vocab = 0;  ///< 0 with a size: the released models' 50304
  int64_t batch = 0, sequence = 0;
  std::string precision;
  int64_t steps = 0, warmup = 0;  ///< timed, and not timed before them
};

struct Spread {
  double median = 0, min = 0, max = 0;
};
/// Throws nothing; `values` must not be empty.
Spread spread_of(std::vector<double> values);

struct TrainBenchmark {
  Plan plan;
  std::string precision;  ///< what "auto" became
  std::string backend;
  int threads = 0;
  int64_t tokens = 0;     ///< of a step
  Spread seconds;         ///< of a step
  double peak_flops = 0;  ///< FLOP/s of large matrix products, see ops::gemm_peak
  /// Mean seconds of a step by part, in the order of ops::Part and then "rest": they add up to the mean step.
  std::vector<std::pair<std::string, double>> parts;
  std::vector<ops::Product> products;

  double tokens_per_second() const { return static_cast<double>(tokens) / seconds.median; }
  double flops_per_second() const { return tokens_per_second() * plan.flops_per_token; }
};

/// Throws Error for dimensions that do not fit together, or where it would not fit into memory.
TrainBenchmark benchmark_training(const TrainBenchmarkOptions& options);

}  // namespace spectra::train
