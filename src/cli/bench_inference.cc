// SPDX-License-Identifier: Apache-2.0
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/system.h"
#include "base/units.h"
#include "cli/bench.h"
#include "cli/command.h"

namespace spectra::cli {
namespace {

using infer::Benchmark;
using infer::BenchmarkResult;
using nlohmann::ordered_json;

std::string percent(double fraction) { return fraction > 0 ? fmt::format("{:.1f}", 100 * fraction) : "-"; }

void print_table(const infer::BenchmarkOptions& o, const Benchmark& b) {
  fmt::print("kernels      {}, {} activations, {} keys and values\n", kernels::kernels().name,
             infer::activations_name(b.activations), infer::kv_type_name(b.kv_type));
  fmt::print("weights      {} in linear layers, {} in the head ({})\n", format_bytes(b.linear_bytes), format_bytes(b.head_bytes),
             b.head);
  fmt::print("start        {:.3f} s to open the model, {:.3f} s to the first token\n", b.load_seconds, b.first_token_seconds);
  fmt::print("peak memory  {}\n", format_bytes(b.results.empty() ? memory_peak() : b.results.front().peak_rss_bytes));
  for (size_t i = 0; o.bandwidth && i < b.results.size(); ++i)
    if (i == 0 || b.results[i].threads != b.results[i - 1].threads)
      fmt::print("limits       {} threads: {:.1f} GB/s, {:.0f} GOP/s\n", b.results[i].threads, b.results[i].bandwidth / 1e9,
                 b.results[i].peak_ops / 1e9);
  fmt::print("\n{:<16}{:>8}{:>11}{:>19}{:>10}{:>8}{:>7}{:>9}{:>7}\n", "test", "threads", "tokens/s", "[min .. max]", "MB/token",
             "GB/s", "%", "GOP/s", "%");
  for (const BenchmarkResult& r : b.results)
    fmt::print("{:<16}{:>8}{:>11.1f}{:>19}{:>10.1f}{:>8.1f}{:>7}{:>9.0f}{:>7}\n", r.test, r.threads, r.tokens_per_second.median,
               fmt::format("[{:.1f} .. {:.1f}]", r.tokens_per_second.min, r.tokens_per_second.max), r.bytes_per_token / 1e6,
               r.gbytes_per_second, percent(r.bandwidth_fraction()), r.gops_per_second, percent(r.peak_fraction()));
}

void print_csv(const Benchmark& b) {
  fmt::print(
      "test,threads,tokens_per_second_min,tokens_per_second_median,tokens_per_second_max,bytes_per_token,gbytes_per_second,"
      "bandwidth_fraction,gops_per_second,peak_fraction,peak_rss_bytes\n");
  for (const BenchmarkResult& r : b.results)
    fmt::print("{},{},{:.2f},{:.2f},{:.2f},{:.0f},{:.2f},{:.4f},{:.1f},{:.4f},{}\n", r.test, r.threads, r.tokens_per_second.min,
               r.tokens_per_second.median, r.tokens_per_second.max, r.bytes_per_token, r.gbytes_per_second, r.bandwidth_fraction(),
               r.gops_per_second, r.peak_fraction(), r.peak_rss_bytes);
}

void print_as_json(const std::string& model, const infer::BenchmarkOptions& o, const Benchmark& b) {
  ordered_json results = ordered_json::array();
  for (const BenchmarkResult& r : b.results)
    results.push_back(
        {{"test", r.test},
         {"threads", r.threads},
         {"tokens_per_second",
          {{"min", r.tokens_per_second.min}, {"median", r.tokens_per_second.median}, {"max", r.tokens_per_second.max}}},
         {"bytes_per_token", r.bytes_per_token},
         {"gbytes_per_second", r.gbytes_per_second},
         {"bandwidth_gbytes_per_second", r.bandwidth / 1e9},
         {"bandwidth_fraction", r.bandwidth_fraction()},
         {"gops_per_second", r.gops_per_second},
         {"peak_gops_per_second", r.peak_ops / 1e9},
         {"peak_fraction", r.peak_fraction()},
         {"peak_rss_bytes", r.peak_rss_bytes}});
  print_json(ordered_json{
      {"schema", "spectra.bench/1"},
      {"model", model},
      {"kernels", kernels::kernels().name},
      {"activations", infer::activations_name(b.activations)},
      {"kv", infer::kv_type_name(b.kv_type)},
      {"head", b.head},
      {"runs", o.runs},
      {"load_seconds", b.load_seconds},
      {"first_token_seconds", b.first_token_seconds},
      {"linear_bytes", b.linear_bytes},
      {"head_bytes", b.head_bytes},
      {"results",
       results}}.dump());
}

}  // namespace

void bench_inference(const std::string& model, const infer::BenchmarkOptions& options, bool csv) {
  const Benchmark result = infer::benchmark_inference(model, options);
  if (global().json)
    print_as_json(model, options, result);
  else if (csv)
    print_csv(result);
  else
    print_table(options, result);
}

}  // namespace spectra::cli
