// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/error.h"
#include "base/log.h"
#include "base/parallel.h"
#include "base/units.h"
#include "cli/command.h"
#include "cli/eval.h"
#include "cli/usage.h"
#include "eval/compare.h"
#include "infer/benchmark.h"
#include "infer/generate.h"
#include "text/decompress.h"

namespace spectra::cli {
namespace {

using nlohmann::ordered_json;

struct CompareArguments {
  EvalArguments eval;  ///< of both models
  std::string models[2], text;
  int64_t tokens = 4096, decode = 64;
};

/// What a model costs: memory, disk and time.
struct Cost {
  uint64_t disk_bytes = 0, linear_bytes = 0;
  double bits_per_linear_weight = 0;
  double decode_tokens_per_second = 0;  ///< 0 = not measured
};

/// The speed is that of `spectra bench` without options, but for how the weights are loaded.
Cost cost_of(const std::string& path, const infer::Engine& engine, const CompareArguments& a) {
  Cost cost;
  for (const auto& entry : fs::directory_iterator(path))
    if (entry.is_regular_file()) cost.disk_bytes += entry.file_size();
  infer::BenchmarkOptions options;
  options.prompt = 0;
  options.generate = a.decode;
  options.runs = 3;
  options.bandwidth = false;
  options.threads = {compute_threads()};
  options.engine.activations = std::nullopt;
  options.load = a.eval.engine.load();
  const infer::Benchmark measured = infer::benchmark_inference(path, options);
  cost.linear_bytes = measured.linear_bytes;
  cost.bits_per_linear_weight =
      8 * static_cast<double>(measured.linear_bytes) / static_cast<double>(model::count_parameters(engine.model().config).linear);
  if (a.decode > 0) cost.decode_tokens_per_second = measured.results.front().tokens_per_second.median;
  return cost;
}

/// The tokens of --text. Throws Error unless both models have the same tokenizer.
std::vector<int32_t> text_tokens(const CompareArguments& a) {
  const auto tokenizer = text::Tokenizer::load(a.models[0]);
  infer::check_draft(tokenizer, text::Tokenizer::load(a.models[1]), a.models[1]);
  const std::string text = text::read_decompressed(a.text);
  if (text.empty())
    throw bad_input(fmt::format("{}: the file is empty", a.text), "expected a text on which predictions are compared");
  std::vector<int32_t> ids = infer::encode_for(infer::Convention::kRolling, tokenizer, text);
  ids.resize(std::min(ids.size(), static_cast<size_t>(a.tokens)));
  return ids;
}

eval::Divergence divergence(const std::vector<int32_t>& ids, LoadedModel (&models)[2]) {
  const int64_t window = std::min(models[0].engine->context(), models[1].engine->context());
  return eval::measure_divergence(*models[0].engine, *models[1].engine,
                                  infer::make_windows(infer::Convention::kRolling, ids, window, models[0].tokenizer->eos()),
                                  models[0].tokenizer->vocab_size());
}

ordered_json or_null(const std::optional<double>& value) { return value ? ordered_json(*value) : ordered_json(); }

ordered_json json_of(const eval::TaskComparison& row) {
  ordered_json mcnemar;
  if (row.mcnemar)
    mcnemar = {{"only_a", row.mcnemar->only_a},
               {"only_b", row.mcnemar->only_b},
               {"exact_p", row.mcnemar->exact_p},
               {"mid_p", row.mcnemar->mid_p}};
  return {{"task", row.task},
          {"metric", row.metric},
          {"compared", row.log_likelihood ? "log-likelihood" : "metric"},
          {"n", row.documents},
          {"a", row.a},
          {"b", row.b},
          {"difference", row.bootstrap.difference},
          {"low", or_null(row.bootstrap.low)},
          {"high", or_null(row.bootstrap.high)},
          {"bootstrap_p", or_null(row.bootstrap.p)},
          {"mcnemar", mcnemar},
          {"holm_p", or_null(row.holm_p)}};
}

ordered_json json_of(const std::string& path, const Cost& cost) {
  return {{"path", path},
          {"disk_bytes", cost.disk_bytes},
          {"linear_bytes", cost.linear_bytes},
          {"bits_per_linear_weight", cost.bits_per_linear_weight},
          {"decode_tokens_per_second", cost.decode_tokens_per_second}};
}

/// Shows "-" where there are too few documents for a test.
std::string p_text(const std::optional<double>& p) { return p ? fmt::format("{:.4f}", *p) : "-"; }

void print_line(const std::string& name, const std::string& a, const std::string& b, const std::string& rest = "") {
  fmt::print("{:<40}{:>12}{:>12}{}\n", name, a, b, rest);
}

void print_table(const std::vector<eval::TaskComparison>& rows, const Cost (&costs)[2],
                 const std::optional<eval::Divergence>& text) {
  print_line("", "A", "B", fmt::format("{:>10}  {:<22}{:>9}{:>9}", "B - A", "95 % interval", "p", "Holm p"));
  for (const eval::TaskComparison& row : rows)
    print_line(fmt::format("{} {}", row.task, row.log_likelihood ? "log-likelihood" : row.metric), fmt::format("{:.4f}", row.a),
               fmt::format("{:.4f}", row.b),
               fmt::format("{:>+10.4f}  {:<22}{:>9}{:>9}", row.bootstrap.difference,
                           row.bootstrap.low ? fmt::format("[{:+.4f}, {:+.4f}]", *row.bootstrap.low, *row.bootstrap.high) : "-",
                           p_text(row.p()), p_text(row.holm_p)));
  if (text) {
    print_line("perplexity of the text", fmt::format("{:.3f}", text->perplexity_a), fmt::format("{:.3f}", text->perplexity_b));
    fmt::print("{:<40}{:>12.4f} ± {:.4f} nats over {} tokens\n", "KL(A || B)", text->kl, text->kl_stderr, text->tokens);
    fmt::print("{:<40}{:>11.1f} %\n", "same most probable token", 100 * text->top1_agreement);
  }
  print_line("size on disk", format_bytes(costs[0].disk_bytes), format_bytes(costs[1].disk_bytes));
  print_line("bits of a linear weight", fmt::format("{:.3f}", costs[0].bits_per_linear_weight),
             fmt::format("{:.3f}", costs[1].bits_per_linear_weight));
  if (costs[0].decode_tokens_per_second > 0)
    print_line("decode, tokens/s", fmt::format("{:.1f}", costs[0].decode_tokens_per_second),
               fmt::format("{:.1f}", costs[1].decode_tokens_per_second));
}

void print_comparison(const CompareArguments& a, const std::vector<eval::TaskComparison>& rows, const Cost (&costs)[2],
                      const std::optional<eval::Divergence>& text) {
  if (!global().json) return print_table(rows, costs, text);
  ordered_json tests = ordered_json::array(), alike;
  for (const eval::TaskComparison& row : rows) tests.push_back(json_of(row));
  if (text)
    alike = {{"tokens", text->tokens},
             {"kl", text->kl},
             {"kl_stderr", text->kl_stderr},
             {"top1_agreement", text->top1_agreement},
             {"perplexity_a", text->perplexity_a},
             {"perplexity_b", text->perplexity_b}};
  print_json(ordered_json{
      {"schema", "spectra.compare/1"},
      {"activations", a.eval.engine.activations},
      {"a", json_of(a.models[0], costs[0])},
      {"b", json_of(a.models[1], costs[1])},
      {"tests", tests},
      {"text",
       alike}}.dump());
}

void run_compare(const CompareArguments& a) {
  require(a.tokens >= 2 && a.decode >= 0 && a.eval.limit >= 0 && a.eval.fewshot >= -1 && a.eval.bootstrap >= 2,
          "a number is out of range", "--tokens and --bootstrap: 2 or more, --decode, --limit and --fewshot: 0 or more");
  require(!a.eval.tasks.empty() || !a.text.empty(), "nothing to compare", "give --tasks, --text or both");
  std::vector<int32_t> ids;
  if (!a.text.empty()) ids = text_tokens(a);
  std::vector<eval::TaskResult> results[2];
  if (!a.eval.tasks.empty()) results[0] = results[1] = prepare_tasks(a.eval);
  LoadedModel models[2];
  Cost costs[2];
  for (size_t m = 0; m < 2; ++m) {
    EvalArguments arguments = a.eval;
    arguments.model = a.models[m];
    models[m] = load_for_eval(arguments);
    log_info("{}: {}", m == 0 ? "A" : "B", a.models[m]);
    run_evaluation(arguments, models[m], results[m]);
    costs[m] = cost_of(a.models[m], *models[m].engine, a);
  }
  std::optional<eval::Divergence> text;
  if (!a.text.empty()) text = divergence(ids, models);
  print_comparison(a, eval::compare_tasks(results[0], results[1], a.eval.bootstrap), costs, text);
}

}  // namespace

Command make_compare() {
  const auto a = std::make_shared<CompareArguments>();
  a->eval.bootstrap = 10'000;
  Command command;
  command.name = "compare";
  command.summary = "compare two models: benchmark scores with paired tests, predictions of a text, size and speed";
  command.options = {
      {.name = "A", .help = "model directory", .target = &a->models[0], .required = true},
      {.name = "B", .help = "model directory", .target = &a->models[1], .required = true},
      {.name = "--tasks", .help = "as eval has them", .target = &a->eval.tasks},
      {.name = "--data",
       .help = "directory to search for the tasks' data, TASK=FILE or TASK:SPLIT=FILE; may be repeated",
       .target = &a->eval.data},
      {.name = "--limit",
       .help = "only the first so many documents of each task, of each subject of MMLU; 0 = all",
       .target = &a->eval.limit},
      {.name = "--fewshot", .help = "examples before each question; -1 = the task's own number", .target = &a->eval.fewshot},
      {.name = "--text", .help = "text on which predictions are compared; both models need the same tokenizer", .target = &a->text},
      {.name = "--tokens", .help = "of the text, from its beginning", .target = &a->tokens},
      {.name = "--bootstrap", .help = "resamples of the paired bootstrap", .target = &a->eval.bootstrap, .advanced = true},
      {.name = "--decode", .help = "tokens of the speed test; 0 = none", .target = &a->decode, .advanced = true},
  };
  command.add(
      engine_options(a->eval.engine, {.default_memory = "1GiB, or what one whole context needs", .shown = {"--activations"}}));
  command.run = [a] { run_compare(*a); };
  command.examples = {"spectra compare float-99m tri-99m --tasks arc_easy,piqa --data benchmarks --text wiki.test.raw"};
  return command;
}

}  // namespace spectra::cli
