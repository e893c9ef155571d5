// SPDX-License-Identifier: Apache-2.0
#include <future>
#include <memory>

#include "base/error.h"
#include "base/log.h"
#include "base/stopwatch.h"
#include "cli/command.h"
#include "cli/eval.h"
#include "cli/usage.h"
#include "eval/evaluate.h"

namespace spectra::cli {
namespace {

void check(const EvalArguments& a) {
  require(a.limit >= 0 && a.fewshot >= -1 && a.bootstrap >= 2, "a number is out of range",
          "--limit and --fewshot: 0 or more, --bootstrap: 2 or more");
  require(a.bootstrap <= 1000 || a.bootstrap % 1000 == 0,
          fmt::format("--bootstrap {}: the harness draws in chunks of 1000", a.bootstrap),
          "give up to 1000, or a multiple of 1000");
  require(!a.resume || !a.out.empty(), "--resume without --out", "name the directory to continue with --out");
  require(a.predictor.empty() || a.model.empty(), "--predictor takes the place of MODEL", "leave one of them out");
  for (const std::string& file : {a.dump_scores, a.dump_requests})
    if (!file.empty()) {
      require_new_file(file);
      if (!fs::is_directory(fs::absolute(file).parent_path()))
        throw bad_input(fmt::format("{}: there is no such directory", file), "create it first");
    }
}

void run_eval(const EvalArguments& a) {
  if (a.list) return list_tasks();
  if (!a.describe.empty()) return describe_task(a.describe);
  if (!a.validate.empty()) return validate_task(a.validate);
  check(a);
  const Stopwatch start;
  // The tokenizer takes as long to read as the data, so both are read at once.
  std::future<LoadedModel> loading;
  if (!a.model.empty()) loading = std::async(std::launch::async, [&a] { return load_for_eval(a); });
  std::vector<eval::TaskResult> results = prepare_tasks(a);
  if (!a.dump_requests.empty()) {
    write_file(a.dump_requests, eval::requests_json(results));
    if (a.model.empty() && a.predictor.empty()) return print_requests(a, results);
  }
  require(!a.model.empty() || !a.predictor.empty(), "no model to evaluate", "give a model directory; --dump-requests needs none");
  const LoadedModel model = loading.valid() ? loading.get() : LoadedModel();
  const double start_seconds = start.seconds();
  run_evaluation(a, model, results);
  print_scores(a, model, results, start_seconds);
}

/// Options that ask for something else than scores, and options for how scores are made.
std::vector<Option> extra_options(EvalArguments& a) {
  return {
      {.name = "--list", .help = "list the tasks", .target = &a.list},
      {.name = "--describe", .help = "show the file of a task", .target = &a.describe},
      {.name = "--validate", .help = "check a task file of your own", .target = &a.validate},
      {.name = "--dump-requests", .help = "write all requests in order to this file, as JSON", .target = &a.dump_requests},
      {.name = "--dump-scores",
       .help = "write the scores of every document to this file, a JSON line each",
       .target = &a.dump_scores},
      {.name = "--bootstrap",
       .help = "resamples behind the standard errors of perplexities",
       .target = &a.bootstrap,
       .advanced = true},
      {.name = "--alone",
       .help = "score each request alone, with nothing shared: the same bits, slower",
       .target = &a.alone,
       .advanced = true},
      {.name = "--predictor",
       .help = "uniform or file:PATH: answers that take a model's place, for tests",
       .target = &a.predictor,
       .advanced = true},
  };
}

}  // namespace

Command make_eval() {
  const auto a = std::make_shared<EvalArguments>();
  Command command;
  command.name = "eval";
  command.summary = "score a model on benchmark tasks as lm-evaluation-harness 0.4.2 does, with error bars";
  command.options = {
      {.name = "MODEL", .help = "model directory", .target = &a->model},
      {.name = "--tasks",
       .help = "names, separated by commas; a file of your own ends in .toml; spectra = the paper's thirteen",
       .target = &a->tasks},
      {.name = "--data",
       .help = "directory to search for the tasks' data, TASK=FILE or TASK:SPLIT=FILE; may be repeated",
       .target = &a->data},
      {.name = "--limit",
       .help = "only the first so many documents of each task, of each subject of MMLU; 0 = all",
       .target = &a->limit},
      {.name = "--fewshot",
       .help = "examples before each question; -1 = the task's own number, which holds where it has one",
       .target = &a->fewshot},
      {.name = "--out", .help = "directory that keeps the answers as they come", .target = &a->out},
      {.name = "--resume", .help = "continue the evaluation in --out", .target = &a->resume},
  };
  command.add(extra_options(*a));
  command.add(engine_options(a->engine, {.default_memory = "1GiB, or what one whole context needs", .shown = {"--activations"}}));
  command.run = [a] { run_eval(*a); };
  command.examples = {"spectra eval model --tasks arc_easy,piqa --data benchmarks",
                      "spectra eval model --tasks spectra --data benchmarks --out results", "spectra eval --describe hellaswag"};
  return command;
}

}  // namespace spectra::cli
