// SPDX-License-Identifier: Apache-2.0
#include <future>

#include "base/error.h"
#include "base/log.h"
#include "base/stopwatch.h"
#include "cli/command.h"
#include "cli/eval.h"
#include "eval/evaluate.h"

namespace spectra::cli {
namespace {

EvalArguments a;

void check_arguments() {
  if (a.limit < 0 || a.fewshot < -1 || a.bootstrap < 2)
    throw Error(Exit::kUsage, "a number is out of range", "--limit and --fewshot: 0 or more, --bootstrap: 2 or more");
  if (a.bootstrap > 1000 && a.bootstrap % 1000 != 0)
    throw Error(Exit::kUsage, fmt::format("--bootstrap {}: the harness draws in chunks of 1000", a.bootstrap),
                "give up to 1000, or a multiple of 1000");
  if (a.resume && a.out.empty()) throw Error(Exit::kUsage, "--resume without --out", "name the directory to continue with --out");
  if (!a.predictor.empty() && !a.model.empty())
    throw Error(Exit::kUsage, "--predictor takes the place of MODEL", "leave one of them out");
}

void run() {
  if (a.list) return list_tasks();
  if (!a.describe.empty()) return describe_task(a.describe);
  if (!a.validate.empty()) return validate_task(a.validate);
  check_arguments();
  for (const std::string& file : {a.dump_scores, a.dump_requests})
    if (!file.empty()) {
      require_new_file(file);
      if (!fs::is_directory(fs::absolute(file).parent_path()))
        throw bad_input(fmt::format("{}: there is no such directory", file), "create it first");
    }
  const Stopwatch start;
  // The tokenizer takes as long to read as the data: both at once.
  std::future<LoadedModel> loading;
  if (!a.model.empty()) loading = std::async(std::launch::async, [] { return load_for_eval(a); });
  std::vector<eval::TaskResult> results = prepare_tasks(a);
  if (!a.dump_requests.empty()) {
    write_file(a.dump_requests, eval::requests_json(results));
    if (a.model.empty() && a.predictor.empty()) return print_requests(a, results);
  }
  if (a.model.empty() && a.predictor.empty())
    throw Error(Exit::kUsage, "no model to evaluate", "give a model directory; --dump-requests needs none");
  const LoadedModel model = loading.valid() ? loading.get() : LoadedModel();
  const double start_seconds = start.seconds();
  run_evaluation(a, model, results);
  print_scores(a, results, start_seconds);
}

}  // namespace

Command make_eval() {
  Command command;
  command.name = "eval";
  command.summary = "score a model on benchmark tasks as lm-evaluation-harness 0.4.2 does, with error bars";
  command.options = {
      {"MODEL", "model directory", &a.model},
      {"--tasks", "names, separated by commas; a file of your own ends in .toml; spectra = the paper's thirteen", &a.tasks},
      {"--data", "directory to search for the tasks' data, TASK=FILE or TASK:SPLIT=FILE; may be repeated", &a.data},
      {"--limit", "only the first so many documents of each task, of each subject of MMLU; 0 = all", &a.limit},
      {"--fewshot", "examples before each question; -1 = the task's own number, which holds where it has one", &a.fewshot},
      {"--out", "directory that keeps the answers as they come", &a.out},
      {"--resume", "continue the evaluation in --out", &a.resume},
      {"--activations", "what linear layers multiply", &a.activations, false, false, {"fp32", "bf16", "int8"}},
      {"--list", "list the tasks", &a.list},
      {"--describe", "show the file of a task", &a.describe},
      {"--validate", "check a task file of your own", &a.validate},
      {"--dump-requests", "write all requests in order to this file, as JSON", &a.dump_requests},
      {"--dump-scores", "write the scores of every document to this file, a JSON line each", &a.dump_scores},
      {"--kv",
       "type of keys and values; auto: fp32 with fp32 activations, else fp16",
       &a.kv,
       false,
       true,
       {"auto", "fp32", "fp16", "int8"}},
      {"--kv-memory", "memory for keys and values, as 4GiB or 500MB; empty = 1GiB, or what one whole context needs", &a.kv_memory,
       false, true},
      {"--head",
       "type of the head's weights: as stored, or rounded to int8 when the model is opened, with int8 activations",
       &a.head,
       false,
       true,
       {"stored", "int8"}},
      {"--bootstrap", "resamples behind the standard errors of perplexities", &a.bootstrap, false, true},
      {"--alone", "score each request alone, with nothing shared: the same bits, slower", &a.alone, false, true},
      {"--predictor", "uniform or file:PATH: answers that take a model's place, for tests", &a.predictor, false, true},
  };
  command.run = [] { run(); };
  command.examples = {"spectra eval model --tasks arc_easy,piqa --data benchmarks",
                      "spectra eval model --tasks spectra --data benchmarks --out results", "spectra eval --describe hellaswag"};
  return command;
}

}  // namespace spectra::cli
