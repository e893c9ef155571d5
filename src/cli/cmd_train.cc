// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstdio>
#include <memory>
#include <new>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/error.h"
#include "base/log.h"
#include "base/parallel.h"
#include "base/system.h"
#include "base/units.h"
#include "cli/command.h"
#include "format/token_data.h"
#include "train/data.h"
#include "train/plan.h"
#include "train/recipe.h"
#include "train/trainer.h"

namespace spectra::cli {
namespace {

using nlohmann::ordered_json;

struct TrainOptions {
  std::string recipe, out;
  std::vector<std::string> settings;
  std::string device;
  bool resume = false, dry_run = false, print_config = false;
  double tokens_per_second = 0;
};

void print_config(const train::Recipe& recipe) {
  if (global().json)
    print_json(
        ordered_json{{"schema", "spectra.train_config/1"}, {"config", ordered_json::parse(train::recipe_to_json(recipe))}}.dump());
  else
    std::fputs(train::recipe_to_toml(recipe, true).c_str(), stdout);
}

/// The plan for the vocabulary of the data; where the data is not there yet and the size is one of the paper's, for the paper's
/// vocabulary.
train::Plan plan_of(const train::Recipe& recipe) {
  const auto sources = recipe.data_sources();
  const bool found = std::any_of(sources.begin(), sources.end(), [](const train::DataSource& source) {
    return fs::exists(source.path) || format::TokenData::recognize(source.path);
  });
  if (!found && !recipe.size.empty()) {
    log_info("{} is not there: planned for the paper's tokenizer of {} entries", sources[0].path, train::kPaperTokenizerEntries);
    return train::make_plan(recipe, train::kPaperTokenizerEntries, 0);
  }
  const train::TrainingData data(recipe, train::DataCheck::kNone);
  return train::make_plan(recipe, data.vocab(), data.eos());
}

void dry_run(const train::Recipe& recipe, double tokens_per_second) {
  if (tokens_per_second < 0)
    throw Error(Exit::kUsage, fmt::format("--tokens-per-second {} is below 0", tokens_per_second), "give a measured speed");
  const train::Plan plan = plan_of(recipe);
  if (!global().json) {
    std::fputs(train::describe(plan, recipe, tokens_per_second).c_str(), stdout);
    return;
  }
  ordered_json activations = ordered_json::object();
  for (const auto& choice : plan.activation_choices) activations[choice.first] = choice.second;
  const auto seconds = static_cast<double>(plan.tokens) / tokens_per_second;
  print_json(ordered_json{{"schema", "spectra.train_plan/1"},
                          {"parameters", plan.parameters.total()},
                          {"linear_parameters", plan.parameters.linear},
                          {"vocab", plan.config.vocab},
                          {"steps", plan.steps},
                          {"warmup_steps", plan.warmup_steps},
                          {"tokens", plan.tokens},
                          {"flops_per_token", plan.flops_per_token},
                          {"flops", plan.total_flops()},
                          {"seconds", tokens_per_second > 0 ? ordered_json(seconds) : ordered_json(nullptr)},
                          {"memory_bytes",
                           {{"total", plan.memory_bytes()},
                            {"masters", plan.master_bytes},
                            {"gradients", plan.gradient_bytes},
                            {"moments", plan.moment_bytes},
                            {"gemm_weights", plan.gemm_weight_bytes},
                            {"copies", plan.scratch_bytes},
                            {"activations", plan.activation_bytes}}},
                          {"activation_bytes", activations},
                          {"checkpoint_bytes", {{"model", plan.model_bytes}, {"trainer", plan.trainer_bytes}}},
                          {"checkpoints", plan.checkpoints},
                          {"disk_bytes", plan.disk_bytes}}
                 .dump());
}

ordered_json number(const std::optional<double>& value) { return value ? ordered_json(*value) : ordered_json(nullptr); }

void print_result(const train::TrainResult& result) {
  if (global().json) {
    print_json(ordered_json{{"schema", "spectra.train/1"},
                            {"checkpoint", result.checkpoint.string()},
                            {"loss", number(result.loss)},
                            {"validation_loss", number(result.validation_loss)},
                            {"tokens", result.tokens},
                            {"skipped_batches", result.skipped_batches},
                            {"skipped_tokens", result.skipped_tokens},
                            {"lowest_loss_scale", number(result.lowest_loss_scale)},
                            {"tokens_per_second", result.tokens_per_second},
                            {"gflops_per_second", result.flops_per_second / 1e9},
                            {"mfu", number(result.mfu)},
                            {"peak_rss_bytes", memory_peak()}}
                   .dump());
    return;
  }
  std::printf("checkpoint       %s\n", result.checkpoint.c_str());
  std::printf("tokens           %lld\n", static_cast<long long>(result.tokens));
  if (result.loss) std::printf("loss             %.4f\n", *result.loss);
  if (result.validation_loss) std::printf("validation loss  %.4f\n", *result.validation_loss);
  if (result.skipped_batches > 0)
    std::printf("skipped          %lld batches, %lld tokens\n", static_cast<long long>(result.skipped_batches),
                static_cast<long long>(result.skipped_tokens));
  if (result.lowest_loss_scale) std::printf("loss scale       lowest %g\n", *result.lowest_loss_scale);
  if (result.tokens_per_second > 0)
    std::printf("speed            %.0f tokens/s, %.1f GFLOP/s%s\n", result.tokens_per_second, result.flops_per_second / 1e9,
                result.mfu ? fmt::format(", {:.0f} % of the GEMM peak", 100 * *result.mfu).c_str() : "");
  std::printf("peak memory      %s\n", format_bytes(memory_peak()).c_str());
}

void train_on(ranks::Ranks& ranks, const TrainOptions& options) {
  std::vector<std::string> settings = options.settings;
  if (!options.device.empty()) settings.push_back("train.device=" + options.device);
  const train::Recipe recipe = train::load_recipe(options.recipe, settings);
  if (options.print_config || options.dry_run) {
    if (ranks.first()) options.print_config ? print_config(recipe) : dry_run(recipe, options.tokens_per_second);
    return;
  }
  const fs::path run = options.out.empty() ? fs::path("runs") / fs::path(options.recipe).stem() : fs::path(options.out);
  set_compute_threads(global().threads > 0 ? static_cast<int>(global().threads) : ranks::threads_of_a_rank(ranks));
  train::Trainer trainer(recipe, run, options.resume, ranks);
  log_info("training {} steps in {}{}", recipe.steps(), run.string(),
           ranks.size() == 1 ? "" : fmt::format(" with {} ranks of {} threads", ranks.size(), compute_threads()));
  const train::TrainResult result = trainer.run();
  if (ranks.first()) print_result(result);
}

/// Whatever ends one rank must end all: the others would wait for it for ever.
void run_train(const TrainOptions& options) {
  const std::unique_ptr<ranks::Ranks> ranks = ranks::join_ranks();
  if (!ranks->first()) set_quiet(true);
  try {
    train_on(*ranks, options);
  } catch (const Error& error) {
    ranks->abandon(error);
    if (ranks->first()) throw;
  } catch (const std::bad_alloc&) {
    ranks->abandon(Error(Exit::kRefused, "out of memory", "lower train.micro_batch, or start fewer ranks"));
    throw;
  } catch (const std::exception& error) {
    ranks->abandon(Error(Exit::kFailed, error.what()));
    throw;
  }
}

}  // namespace

Command make_train() {
  const auto a = std::make_shared<TrainOptions>();
  return {
      .name = "train",
      .summary = "pretrain a model from a recipe; stops and resumes exactly",
      .options = {{.name = "RECIPE",
                   .help = "the recipe, a TOML file; `--print-config` shows every key",
                   .target = &a->recipe,
                   .required = true},
                  {.name = "-o,--out", .help = "run directory (default: runs/NAME of the recipe)", .target = &a->out},
                  {.name = "--resume", .help = "continue the run in --out from its newest checkpoint", .target = &a->resume},
                  {.name = "--dry-run",
                   .help = "print parameters, steps, memory, disk and FLOPs, and train nothing",
                   .target = &a->dry_run},
                  {.name = "--tokens-per-second",
                   .help = "with --dry-run: measured speed, to tell how long the run takes",
                   .target = &a->tokens_per_second},
                  {.name = "--device", .help = "where to train: auto, cpu or cuda (default: train.device)", .target = &a->device},
                  {.name = "--set", .help = "one setting, section.key=value; may be repeated", .target = &a->settings},
                  {.name = "--print-config",
                   .help = "print every setting and where it came from, and train nothing",
                   .target = &a->print_config}},
      .run = [a] { run_train(*a); },
      .examples = {"spectra train recipes/books-10m-tri.toml --out runs/tri",
                   "spectra train recipes/books-10m-tri.toml --out runs/tri --resume",
                   "spectra train recipes/books-10m-tri.toml --set train.seed=2 --set schedule.lr=1e-3 --print-config"}};
}

}  // namespace spectra::cli
