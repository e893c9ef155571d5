// SPDX-License-Identifier: Apache-2.0
#include "base/error.h"
#include "base/system.h"
#include "cli/bench.h"
#include "cli/command.h"
#include "model/config.h"
#include "model/quantized_config.h"

namespace spectra::cli {
namespace {

struct Options {
  std::string model, activations = "auto", kv = "auto", head = "stored";
  bool csv = false, train = false, no_limits = false, huge_pages = false;
  infer::BenchmarkOptions inference;
  train::TrainBenchmarkOptions steps{"", "ternary", 0, 0, 0, 0, 0, 4, 512, "auto", 10, 3};
};

/// 1, 2, 4, ... and all cores.
std::vector<int> thread_counts() {
  if (global().threads > 0) return {static_cast<int>(global().threads)};
  std::vector<int> counts;
  for (int n = 1; n < cpu_count(); n *= 2) counts.push_back(n);
  counts.push_back(cpu_count());
  return counts;
}

bool is_packed(const std::string& model) {
  const std::string config = format::ModelDirectory(model).config_json();
  return !model::packed_format_from_json(config).empty() || model::quantized_config_from_json(config, model + "/config.json");
}

void run_inference(Options options) {
  infer::BenchmarkOptions& o = options.inference;
  if (options.csv && global().json) throw Error(Exit::kUsage, "--csv and --json contradict each other", "give one of them");
  if (o.prompt < 0 || o.generate < 0 || o.runs < 1 || o.batch < 1)
    throw Error(Exit::kUsage, "a number is out of range", "--prompt and --generate: at least 0, --runs and --batch: at least 1");
  o.engine.activations = options.activations != "auto" ? infer::activations_from_name(options.activations)
                         : is_packed(options.model)    ? infer::ActivationType::kInt8
                                                       : infer::ActivationType::kFp32;
  o.engine.kv_type = options.kv != "auto" ? infer::kv_type_from_name(options.kv) : infer::default_kv_type(o.engine.activations);
  o.load.int8_head = options.head == "int8";
  o.threads = thread_counts();
  o.bandwidth = !options.no_limits;
  if (options.huge_pages) o.load.backing = Backing::kHugePages;
  bench_inference(options.model, o, options.csv);
}

void run_bench(const Options& options) {
  if (options.train && !options.model.empty())
    throw Error(Exit::kUsage, "bench measures a MODEL or, with --train, training steps", "leave one of them out");
  if (options.train) return bench_training(options.steps);
  if (options.model.empty())
    throw Error(Exit::kUsage, "no model to measure", "give a model directory, or --train for the speed of training");
  run_inference(options);
}

}  // namespace

Command make_bench() {
  static Options options;
  infer::BenchmarkOptions& i = options.inference;
  train::TrainBenchmarkOptions& o = options.steps;
  Command command;
  command.name = "bench";
  command.summary = "how fast a model runs, or trains, on this machine, beside the machine's own limits";
  command.options = {
      {"MODEL", "model directory", &options.model},
      {"--prompt", "tokens of the prefill test (512; 0: none)", &i.prompt},
      {"--generate", "tokens of the decode test (128; 0: none)", &i.generate},
      {"--batch-decode", "sequences decoded together (1)", &i.batch},
      {"--runs", "of each test, in turns with the bandwidth (5)", &i.runs},
      {"--activations",
       "what linear layers multiply; auto: int8 for packed models, else fp32",
       &options.activations,
       false,
       false,
       {"auto", "fp32", "bf16", "int8"}},
      {"--kv",
       "type of keys and values; auto: fp32 with fp32 activations, else fp16",
       &options.kv,
       false,
       false,
       {"auto", "fp32", "fp16", "int8"}},
      {"--huge-pages", "copy the weights into huge pages instead of mapping the file", &options.huge_pages},
      {"--head",
       "type of the head's weights: as stored, or rounded to int8 when the model is opened, with int8 activations",
       &options.head,
       false,
       false,
       {"stored", "int8"}},
      {"--csv", "print the results as comma-separated values", &options.csv},
      {"--no-limits", "do not measure bandwidth and arithmetic peak (1 GiB of memory)", &options.no_limits, false, true},
      {"--train", "time the training step on random tokens", &options.train},
      {"--size", "with --train, a row of the paper's size table: 99M ... 3.9B", &o.size},
      {"--hidden", "width of the residual stream, instead of --size", &o.hidden, false, true},
      {"--glu", "width inside the feed-forward block", &o.glu, false, true},
      {"--heads", "attention heads", &o.heads, false, true},
      {"--layers", "transformer layers", &o.layers, false, true},
      {"--vocab", "entries of the vocabulary (with --size: 50304)", &o.vocab, false, true},
      {"--family", "how linear weights are represented", &o.family, false, true, {"float", "ternary", "binary"}},
      {"--batch", "sequences of one step (4)", &o.batch},
      {"--sequence", "tokens of one sequence (512)", &o.sequence},
      {"--precision",
       "arithmetic of GEMMs and activations",
       &o.precision,
       false,
       true,
       {"auto", "bf16", "fp16", "fp32", "reference"}},
      {"--steps", "timed steps (10)", &o.steps, false, true},
      {"--warmup", "steps before them (3)", &o.warmup, false, true},
  };
  command.run = [] { run_bench(options); };
  command.examples = {"spectra bench packed-99m", "spectra bench --train --size 99M",
                      "spectra bench --train --hidden 256 --glu 640 --heads 4 --layers 8 --vocab 4096 --batch 16 --sequence 256"};
  return command;
}

}  // namespace spectra::cli
