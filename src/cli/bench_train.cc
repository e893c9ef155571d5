// SPDX-License-Identifier: Apache-2.0
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/system.h"
#include "base/units.h"
#include "cli/bench.h"
#include "cli/command.h"

namespace spectra::cli {
namespace {

using nlohmann::ordered_json;

void check(const train::TrainBenchmarkOptions& o) {
  const auto positive = [](const char* name, int64_t value) {
    if (value < 1) throw Error(Exit::kUsage, fmt::format("--{} {} is out of range", name, value), "at least 1");
  };
  if (o.size.empty() && (o.hidden < 1 || o.glu < 1 || o.heads < 1 || o.layers < 1 || o.vocab < 1))
    throw Error(Exit::kUsage, "no model to train", "give --size 99M, or --hidden, --glu, --heads, --layers and --vocab");
  if (!o.size.empty() && (o.hidden != 0 || o.glu != 0 || o.heads != 0 || o.layers != 0))
    throw Error(Exit::kUsage, "--size and dimensions contradict each other", "give one of them; --vocab goes with both");
  if (!o.size.empty() && o.vocab < 0) positive("vocab", o.vocab);
  positive("batch", o.batch);
  positive("sequence", o.sequence);
  positive("steps", o.steps);
  if (o.warmup < 0) throw Error(Exit::kUsage, fmt::format("--warmup {} is out of range", o.warmup), "0 or more");
}

/// The slowest step gives the lowest rate, the fastest one the highest.
train::Spread tokens_per_second(const train::TrainBenchmark& b) {
  const double tokens = static_cast<double>(b.tokens);
  return {tokens / b.seconds.median, tokens / b.seconds.max, tokens / b.seconds.min};
}

ordered_json as_json(const train::Spread& spread) { return {{"median", spread.median}, {"min", spread.min}, {"max", spread.max}}; }

void print_as_json(const train::TrainBenchmarkOptions& o, const train::TrainBenchmark& b) {
  const model::Config& c = b.plan.config;
  ordered_json parts, products = ordered_json::array();
  for (const auto& part : b.parts) parts[part.first] = part.second;
  for (const ops::Product& p : b.products)
    products.push_back({{"pass", p.pass}, {"m", p.m}, {"n", p.n}, {"k", p.k}, {"implementation", p.implementation}});
  print_json(ordered_json{
      {"schema", "spectra.bench_train/1"},
      {"model",
       {{"family", o.family},
        {"hidden", c.hidden},
        {"glu", c.glu},
        {"heads", c.heads},
        {"layers", c.layers},
        {"vocab", c.vocab},
        {"shards", c.shards},
        {"parameters", b.plan.parameters.total()}}},
      {"batch", o.batch},
      {"sequence", o.sequence},
      {"precision", b.precision},
      {"backend", b.backend},
      {"threads", b.threads},
      {"steps", o.steps},
      {"warmup", o.warmup},
      {"seconds_per_step", as_json(b.seconds)},
      {"tokens_per_second", as_json(tokens_per_second(b))},
      {"flops_per_token", b.plan.flops_per_token},
      {"gflops_per_second", b.flops_per_second() / 1e9},
      {"peak_gflops_per_second", b.peak_flops / 1e9},
      {"mfu", b.flops_per_second() / b.peak_flops},
      {"peak_rss_bytes", memory_peak()},
      {"parts", parts},
      {"gemms",
       products}}.dump());
}

void print_table(const train::TrainBenchmarkOptions& o, const train::TrainBenchmark& b) {
  const model::Config& c = b.plan.config;
  const train::Spread rate = tokens_per_second(b);
  fmt::print("model        {}, hidden {}, GLU {}, heads {}, layers {}, vocabulary {}: {} parameters\n", o.family, c.hidden, c.glu,
             c.heads, c.layers, c.vocab, format_count(static_cast<uint64_t>(b.plan.parameters.total())));
  fmt::print("backend      {}, {} threads\n", b.backend, b.threads);
  fmt::print("step         {} x {} tokens, {:.3f} s [{:.3f} .. {:.3f}], median of {}\n", o.batch, o.sequence, b.seconds.median,
             b.seconds.min, b.seconds.max, o.steps);
  fmt::print("speed        {:.0f} tokens/s [{:.0f} .. {:.0f}]\n", rate.median, rate.min, rate.max);
  fmt::print("             {:.1f} GFLOP/s, {:.1f} % of the {:.1f} that large matrix products reach\n", b.flops_per_second() / 1e9,
             100 * b.flops_per_second() / b.peak_flops, b.peak_flops / 1e9);
  fmt::print("peak memory  {}\n\n", format_bytes(memory_peak()));
  double total = 0;
  for (const auto& part : b.parts) total += part.second;
  fmt::print("{:<20}{:>10}{:>8}\n", "part of a step", "ms", "%");
  for (const auto& part : b.parts)
    fmt::print("{:<20}{:>10.2f}{:>8.1f}\n", part.first, 1e3 * part.second, 100 * part.second / total);
}

}  // namespace

void bench_training(const train::TrainBenchmarkOptions& options) {
  check(options);
  const train::TrainBenchmark result = train::benchmark_training(options);
  if (global().json)
    print_as_json(options, result);
  else
    print_table(options, result);
}

}  // namespace spectra::cli
