// SPDX-License-Identifier: Apache-2.0
#include "train/train_benchmark.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/parallel.h"
#include "base/progress.h"
#include "base/rng.h"
#include "base/stopwatch.h"
#include "base/system.h"
#include "ops/gemm_peak.h"
#include "ops/timed_backend.h"
#include "ranks/ranks.h"
#include "train/recipe.h"
#include "train/step.h"

namespace spectra::train {
namespace {

int64_t vocab_of(const TrainBenchmarkOptions& options) {
  return options.vocab == 0 && !options.size.empty() ? model::size_from_name(options.size).vocab : options.vocab;
}

/// A recipe of as many one-batch steps as are run, with the defaults of the size and family for everything else.
Recipe recipe_of(const TrainBenchmarkOptions& options) {
  const int64_t tokens = options.batch * options.sequence;
  std::vector<std::string> settings = {"data.path=random tokens",
                                       "model.family=" + options.family,
                                       "train.precision=" + options.precision,
                                       fmt::format("train.sequence={}", options.sequence),
                                       fmt::format("train.batch_tokens={}", tokens),
                                       fmt::format("train.micro_batch={}", options.batch),
                                       fmt::format("train.tokens={}", tokens * (options.steps + options.warmup))};
  if (!options.size.empty()) {
    settings.push_back("model.size=" + options.size);
  } else {
    settings.push_back(fmt::format("model.hidden={}", options.hidden));
    settings.push_back(fmt::format("model.glu={}", options.glu));
    settings.push_back(fmt::format("model.heads={}", options.heads));
    settings.push_back(fmt::format("model.layers={}", options.layers));
  }
  return parse_recipe("", "bench", settings);
}

/// Runs steps on the timed backend; each on its own random tokens.
class Steps {
 public:
  Steps(ops::TimedBackend& backend, const Recipe& recipe, const Plan& plan)
      : recipe_(recipe),
        vocab_(static_cast<uint64_t>(plan.config.vocab)),
        model_(backend, plan.config, recipe.micro_batch, recipe.sequence),
        optimizer_(backend, *ranks_, model_, recipe),
        tokens_(static_cast<size_t>(recipe.batch_tokens)),
        targets_(tokens_.size()) {
    model_.initialize(1);
    model_.quantize();
  }

  /// Seconds of one step.
  double run() {
    for (int32_t& token : tokens_) token = static_cast<int32_t>(rng_.below(vocab_));
    for (int32_t& target : targets_) target = static_cast<int32_t>(rng_.below(vocab_));
    const Stopwatch watch;
    model_.reset_loss();
    model_.forward_backward(tokens_, targets_, 1.0f / static_cast<float>(recipe_.batch_tokens));
    const double loss = model_.loss();
    const StepNumbers numbers = optimizer_.measure(std::span(&loss, 1), model_.scored(), 1);
    if (!std::isfinite(numbers.grad_norm))
      throw Error(Exit::kFailed, fmt::format("step {}: the gradient is not finite, so no update would be timed", step_ + 1),
                  "use another precision, or fewer steps");
    ++step_;
    optimizer_.update(step_, schedule_position(recipe_, step_));
    return watch.seconds();
  }

 private:
  const Recipe& recipe_;
  const uint64_t vocab_;
  const std::unique_ptr<ranks::Ranks> ranks_ = ranks::single_rank();
  Transformer model_;
  Optimizer optimizer_;
  std::vector<int32_t> tokens_, targets_;
  Rng rng_{1};
  int64_t step_ = 0;
};

}  // namespace

Spread spread_of(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const size_t middle = values.size() / 2;
  const double median = values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
  return {median, values.front(), values.back()};
}

TrainBenchmark benchmark_training(const TrainBenchmarkOptions& options) {
  const Recipe recipe = recipe_of(options);
  TrainBenchmark result;
  result.plan = make_plan(recipe, vocab_of(options), 0);
  ops::TimedBackend backend(ops::make_backend(recipe.device, recipe.precision), result.plan.config.vocab);
  require_memory(result.plan.memory_bytes(), backend.memory().free, "the benchmark",
                 "lower --batch or --sequence, or take a smaller model");
  result.precision = recipe.precision;
  result.tokens = recipe.batch_tokens;
  result.threads = compute_threads();
  result.backend = backend.name();
  result.peak_flops = ops::gemm_peak(*ops::make_backend(recipe.device, recipe.precision));

  Steps steps(backend, recipe, result.plan);
  Progress progress("steps", static_cast<uint64_t>(options.steps + options.warmup));
  for (int64_t i = 0; i < options.warmup; ++i) {
    steps.run();
    progress.update(static_cast<uint64_t>(i + 1));
    check_interrupted();
  }
  backend.reset();
  std::vector<double> seconds;
  for (int64_t i = 0; i < options.steps; ++i) {
    seconds.push_back(steps.run());
    progress.update(static_cast<uint64_t>(options.warmup + i + 1));
    check_interrupted();
  }

  result.seconds = spread_of(seconds);
  const double count = static_cast<double>(options.steps);
  double rest = 0;
  for (const double s : seconds) rest += s / count;
  for (size_t i = 0; i < ops::kParts; ++i) {
    const ops::Part part = static_cast<ops::Part>(i);
    result.parts.emplace_back(ops::part_name(part), backend.seconds(part) / count);
    rest -= result.parts.back().second;
  }
  result.parts.emplace_back("rest", rest);
  result.products = backend.products();
  return result;
}

}  // namespace spectra::train
