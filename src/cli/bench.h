// SPDX-License-Identifier: Apache-2.0
#pragma once
// The two halves of `bench`.
#include "infer/benchmark.h"
#include "train/train_benchmark.h"

namespace spectra::cli {

/// Times training steps and prints the result. Throws Error (exit 2) for dimensions that make no model.
void bench_training(const train::TrainBenchmarkOptions& options);

/// Times prefill and decode of `model` and prints the result, as a table, JSON or CSV.
void bench_inference(const std::string& model, const infer::BenchmarkOptions& options, bool csv);

}  // namespace spectra::cli
