// SPDX-License-Identifier: Apache-2.0
#pragma once
// Parts of `spectra eval`.
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "cli/engine_options.h"
#include "eval/evaluate.h"
#include "infer/engine.h"
#include "text/tokenizer.h"

namespace spectra::cli {

struct EvalArguments {
  EngineArguments engine{.activations = "fp32"};
  std::string model, tasks, out, describe, validate, dump_requests, dump_scores, predictor;
  std::vector<std::string> data;
  int64_t limit = 0, fewshot = -1, bootstrap = 100'000;
  bool list = false, resume = false, alone = false;
};

void list_tasks();
void describe_task(const std::string& name);
void validate_task(const std::string& file);

/// The documents of all tasks of --tasks.
std::vector<eval::TaskResult> prepare_tasks(const EvalArguments& a);

/// A model and what it takes to ask it.
struct LoadedModel {
  std::unique_ptr<infer::Engine> engine;
  std::unique_ptr<text::Tokenizer> tokenizer;
};
LoadedModel load_for_eval(const EvalArguments& a);
/// The activations that the model runs with ("fp32", "bf16" or "int8"); what --activations says where there is no model.
std::string activations_of(const EvalArguments& a, const LoadedModel& model);

/// Answers and scores all tasks with the model (empty: with --predictor).
void run_evaluation(const EvalArguments& a, const LoadedModel& model, std::vector<eval::TaskResult>& results);

/// Prints tables, or the JSON object. `start_seconds` passed from the start of the command to the first request.
void print_scores(const EvalArguments& a, const LoadedModel& model, const std::vector<eval::TaskResult>& results,
                  double start_seconds);

/// Prints what --dump-requests wrote, where no model is asked.
void print_requests(const EvalArguments& a, const std::vector<eval::TaskResult>& results);

/// The thirteen tasks of the paper.
const std::vector<std::string>& paper_tasks();
/// The paper's two tables with one row, from the scores that are there; "" where all columns are empty.
std::string paper_tables(const std::vector<eval::TaskResult>& results);

}  // namespace spectra::cli
