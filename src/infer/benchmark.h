// SPDX-License-Identifier: Apache-2.0
#pragma once
// How fast a model runs on this machine, beside the machine's own limits measured in the same run.
#include <cstdint>
#include <string>
#include <vector>

#include "infer/engine.h"

namespace spectra::infer {

struct BenchmarkOptions {
  std::vector<int> threads;  ///< one pass over the tests each
  int64_t prompt = 512;      ///< tokens of a prefill; 0 = not measured
  int64_t generate = 128;    ///< tokens of a decode; 0 = not measured
  int64_t batch = 1;         ///< sequences decoded together
  int64_t runs = 5;          ///< of each test, in turns with the bandwidth
  bool bandwidth = true;     ///< measure the limits: costs 1 GiB
  EngineOptions engine;
  LoadOptions load;
};

struct BenchmarkRates {
  double min = 0, median = 0, max = 0;
};

struct BenchmarkResult {
  std::string test;  ///< "prefill 512", "decode 128", "decode 128 x 4"
  int threads = 0;
  BenchmarkRates tokens_per_second;
  double bytes_per_token = 0;    ///< read from memory: all weights and the keys and values, shared by the tokens of a step
  double gbytes_per_second = 0;  ///< of the median
  double bandwidth = 0;          ///< bytes per second that the machine reads with as many threads; 0 = not measured
  double gops_per_second = 0;    ///< 2 operations a linear weight and token (the head too where its logits are computed)
  double peak_ops = 0;           ///< operations per second of this type of activations; 0 = not measured
  uint64_t peak_rss_bytes = 0;   ///< of the process before the limits were measured

  double bandwidth_fraction() const { return bandwidth > 0 ? gbytes_per_second * 1e9 / bandwidth : 0; }
  double peak_fraction() const { return peak_ops > 0 ? gops_per_second * 1e9 / peak_ops : 0; }
};

struct Benchmark {
  double load_seconds = 0;         ///< open the model
  double first_token_seconds = 0;  ///< open the model and compute the logits after a prompt of 8 tokens
  uint64_t linear_bytes = 0, head_bytes = 0;
  ActivationType activations = ActivationType::kFp32;  ///< of the engine, whatever the options left open
  KvType kv_type = KvType::kFp32;                      ///< likewise
  const char* head = "";                               ///< head_name()
  std::vector<BenchmarkResult> results;
};

/// Random tokens; speed does not depend on them. Throws Error (exit 2) where prompt or generate are longer than the context.
Benchmark benchmark_inference(const fs::path& model, const BenchmarkOptions& options);

}  // namespace spectra::infer
