// SPDX-License-Identifier: Apache-2.0
#include <memory>

#include "base/system.h"
#include "cli/bench.h"
#include "cli/command.h"
#include "cli/engine_options.h"
#include "cli/usage.h"

namespace spectra::cli {
namespace {

struct BenchArguments {
  EngineArguments engine;
  std::string model;
  bool csv = false, train = false, no_limits = false;
  infer::BenchmarkOptions inference;
  train::TrainBenchmarkOptions steps{"", "ternary", 0, 0, 0, 0, 0, 4, 512, "auto", 10, 3};
};

/// As --threads says, or else 1, 2, 4 and so on up to all cores.
std::vector<int> thread_counts() {
  if (global().threads > 0) return {static_cast<int>(global().threads)};
  std::vector<int> counts;
  for (int n = 1; n < cpu_count(); n *= 2) counts.push_back(n);
  counts.push_back(cpu_count());
  return counts;
}

void run_inference(const BenchArguments& a) {
  infer::BenchmarkOptions o = a.inference;
  require(!a.csv || !global().json, "--csv and --json contradict each other", "give one of them");
  require(o.prompt >= 0 && o.generate >= 0 && o.runs >= 1 && o.batch >= 1, "a number is out of range",
          "--prompt and --generate: at least 0, --runs and --batch: at least 1");
  o.engine = a.engine.engine();
  o.load = a.engine.load();
  o.threads = thread_counts();
  o.bandwidth = !a.no_limits;
  bench_inference(a.model, o, a.csv);
}

void run_bench(const BenchArguments& a) {
  require(!a.train || a.model.empty(), "bench measures a MODEL or, with --train, training steps", "leave one of them out");
  require(a.train || !a.model.empty(), "no model to measure", "give a model directory, or --train for the speed of training");
  if (a.train)
    bench_training(a.steps);
  else
    run_inference(a);
}

std::vector<Option> inference_options(BenchArguments& a) {
  infer::BenchmarkOptions& o = a.inference;
  return {
      {.name = "--prompt", .help = "tokens of the prefill test (512; 0: none)", .target = &o.prompt},
      {.name = "--generate", .help = "tokens of the decode test (128; 0: none)", .target = &o.generate},
      {.name = "--batch-decode", .help = "sequences decoded together (1)", .target = &o.batch},
      {.name = "--runs", .help = "of each test, in turns with the bandwidth (5)", .target = &o.runs},
      {.name = "--csv", .help = "print the results as comma-separated values", .target = &a.csv},
      {.name = "--no-limits",
       .help = "do not measure bandwidth and arithmetic peak (1 GiB of memory)",
       .target = &a.no_limits,
       .advanced = true},
  };
}

std::vector<Option> training_options(BenchArguments& a) {
  train::TrainBenchmarkOptions& o = a.steps;
  return {
      {.name = "--train", .help = "time the training step on random tokens", .target = &a.train},
      {.name = "--size", .help = "with --train, a row of the paper's size table: 99M ... 3.9B", .target = &o.size},
      {.name = "--hidden", .help = "width of the residual stream, instead of --size", .target = &o.hidden, .advanced = true},
      {.name = "--glu", .help = "width inside the feed-forward block", .target = &o.glu, .advanced = true},
      {.name = "--heads", .help = "attention heads", .target = &o.heads, .advanced = true},
      {.name = "--layers", .help = "transformer layers", .target = &o.layers, .advanced = true},
      {.name = "--vocab", .help = "entries of the vocabulary (with --size: 50304)", .target = &o.vocab, .advanced = true},
      {.name = "--family",
       .help = "how linear weights are represented",
       .target = &o.family,
       .choices = {"float", "ternary", "binary"},
       .advanced = true},
      {.name = "--batch", .help = "sequences of one step (4)", .target = &o.batch},
      {.name = "--sequence", .help = "tokens of one sequence (512)", .target = &o.sequence},
      {.name = "--precision",
       .help = "arithmetic of GEMMs and activations",
       .target = &o.precision,
       .choices = {"auto", "bf16", "fp16", "fp32", "reference"},
       .advanced = true},
      {.name = "--steps", .help = "timed steps (10)", .target = &o.steps, .advanced = true},
      {.name = "--warmup", .help = "steps before them (3)", .target = &o.warmup, .advanced = true},
  };
}

}  // namespace

Command make_bench() {
  const auto a = std::make_shared<BenchArguments>();
  Command command;
  command.name = "bench";
  command.summary = "how fast a model runs, or trains, on this machine, beside the machine's own limits";
  command.options = {{.name = "MODEL", .help = "model directory", .target = &a->model}};
  command.add(inference_options(*a));
  command.add(engine_options(
      a->engine, {.default_memory = "what the tests need", .shown = {"--activations", "--kv", "--head", "--huge-pages"}}));
  command.add(training_options(*a));
  command.run = [a] { run_bench(*a); };
  command.examples = {"spectra bench packed-99m", "spectra bench --train --size 99M",
                      "spectra bench --train --hidden 256 --glu 640 --heads 4 --layers 8 --vocab 4096 --batch 16 --sequence 256"};
  return command;
}

}  // namespace spectra::cli
