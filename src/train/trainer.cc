// SPDX-License-Identifier: Apache-2.0
#include "train/trainer.h"

#include <cmath>

#include "base/error.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/parallel.h"
#include "base/progress.h"
#include "base/system.h"
#include "format/token_data.h"
#include "train/checkpoint.h"
#include "train/loader.h"
#include "train/run_directory.h"
#include "train/run_log.h"
#include "train/schedule.h"
#include "train/step.h"

namespace spectra::train {

struct Trainer::Impl {
  Impl(const Recipe& recipe_, const fs::path& run_, bool resume);

  TrainResult train();
  LogLine train_step(int64_t next);
  double validate();
  void save();
  TrainResult result() const;

  const Recipe recipe;
  const fs::path run;
  const format::TokenData data;
  const RunStart start;
  const Plan plan;
  std::unique_ptr<ops::Backend> backend;
  Transformer model;
  Optimizer optimizer;
  const Loader loader;
  std::optional<ValidationWindows> validation;
  std::unique_ptr<RunLog> log;

  int64_t step = 0, saved_step = -1;
  double train_seconds = 0;
  std::vector<int32_t> tokens, targets;
};

namespace {

/// The plan, refused before memory is taken when it does not fit.
Plan checked_plan(const Recipe& recipe, const format::TokenData& data, const RunStart& start, const fs::path& run) {
  Plan plan = make_plan(recipe, data.info().vocab, data.info().eos, start.state.step);
  require_resources(plan, run);
  return plan;
}

std::optional<ValidationWindows> open_validation(const Recipe& recipe, const format::TokenData& data) {
  if (data.has("valid"))
    return ValidationWindows(data.split("valid"), recipe.sequence, recipe.validation_tokens, data.path().string());
  log_info("{} has no split \"valid\": the run is not validated", data.path().string());
  return std::nullopt;
}

}  // namespace

Trainer::Impl::Impl(const Recipe& recipe_, const fs::path& run_, bool resume)
    : recipe(recipe_),
      run(run_),
      data(open_data(recipe)),
      start(find_start(recipe, run, resume, data)),
      plan(checked_plan(recipe, data, start, run)),
      backend(ops::make_backend(recipe.precision)),
      model(*backend, plan.config, recipe.micro_batch, recipe.sequence, recompute_from_name(recipe.recompute)),
      optimizer(*backend, model, recipe),
      loader(data.split("train"), recipe.sequence, static_cast<uint64_t>(recipe.seed), data.path().string()),
      validation(open_validation(recipe, data)) {
  warn_of_other_sums(start, backend->name());
  if (start.checkpoint.empty()) {
    model.initialize(static_cast<uint64_t>(recipe.seed));
    model.quantize();
  } else {
    load_checkpoint(start.checkpoint, *backend, model);
    step = saved_step = start.state.step;
  }
  log = open_run(recipe, run, step);
}

LogLine Trainer::Impl::train_step(int64_t next) {
  const Stopwatch watch;
  const int64_t first = (next - 1) * recipe.batch_sequences();
  const double position = schedule_position(recipe, next);
  optimizer.begin();
  for (int64_t done = 0; done < recipe.batch_sequences(); done += recipe.micro_batch) {
    loader.read(static_cast<uint64_t>(first + done), recipe.micro_batch, tokens, targets);
    model.forward_backward(tokens, targets, 1.0f / static_cast<float>(recipe.batch_tokens));
  }
  const UpdateResult update = optimizer.update(next, position);
  const double seconds = watch.seconds();
  train_seconds += seconds;

  LogLine line;
  line.step = next;
  line.tokens = next * recipe.batch_tokens;
  line.loss = update.loss_sum / static_cast<double>(recipe.batch_tokens);
  line.lr = update.lr;
  line.weight_decay = update.weight_decay;
  line.grad_norm = update.grad_norm;
  line.tokens_per_second = static_cast<double>(recipe.batch_tokens) / seconds;
  line.zero_fraction = update.zero_fraction;
  line.flip_fraction = update.flip_fraction;
  return line;
}

double Trainer::Impl::validate() {
  model.reset_loss();
  for (int64_t window = 0; window < validation->windows(); window += recipe.micro_batch) {
    validation->read(window, recipe.micro_batch, tokens, targets);
    model.evaluate(tokens, targets);
  }
  return model.loss() / static_cast<double>(validation->scored());
}

void Trainer::Impl::save() {
  if (saved_step == step) return;
  log->sync();
  TrainerState state;
  state.step = step;
  state.tokens = step * recipe.batch_tokens;
  state.sequences = step * recipe.batch_sequences();
  state.recipe_sha256 = recipe_sha256(recipe);
  state.data_sha256 = data.sha256();
  state.tokenizer_sha256 = data.info().tokenizer_sha256;
  state.backend = backend->name();
  state.threads = compute_threads();
  format::Provenance provenance;
  provenance.family = recipe.family;
  provenance.size = recipe.size;
  provenance.recipe_sha256 = state.recipe_sha256;
  provenance.data_sha256 = state.data_sha256;
  provenance.step = state.step;
  provenance.tokens = state.tokens;
  save_checkpoint(checkpoint_path(run, step), *backend, model, state, provenance, data.path());
  drop_old_trainer_state(run, recipe.keep);
  saved_step = step;
}

TrainResult Trainer::Impl::train() {
  if (step == plan.steps) log_info("{} is finished: {} steps are done", run.string(), step);
  Progress progress("training", static_cast<uint64_t>(plan.steps), static_cast<uint64_t>(step));
  while (step < plan.steps) {
    LogLine line = train_step(step + 1);
    ++step;
    const bool last = step == plan.steps;
    if (validation && (last || step % recipe.validation_every == 0)) line.validation_loss = validate();
    log->append(line);
    progress.update(static_cast<uint64_t>(step), fmt::format("loss {:.3f}, {:.0f} tok/s", line.loss, line.tokens_per_second));
    if (last || interrupted() || step % recipe.checkpoint_every == 0) save();
    if (!last && interrupted()) {
      progress.clear();
      check_interrupted(fmt::format("step {} is saved in {}; continue with --resume", step, checkpoint_path(run, step).string()));
    }
  }
  return result();
}

TrainResult Trainer::Impl::result() const {
  TrainResult result;
  result.checkpoint = checkpoint_path(run, step);
  result.step = step;
  result.tokens = step * recipe.batch_tokens;
  result.loss = log->loss();
  result.validation_loss = log->validation_loss();
  const double tokens_here = static_cast<double>((step - start.state.step) * recipe.batch_tokens);
  if (train_seconds > 0) result.tokens_per_second = tokens_here / train_seconds;
  result.flops_per_second = result.tokens_per_second * plan.flops_per_token;
  return result;
}

Trainer::Trainer(const Recipe& recipe, const fs::path& run, bool resume) : impl_(std::make_unique<Impl>(recipe, run, resume)) {}
Trainer::~Trainer() = default;
TrainResult Trainer::run() { return impl_->train(); }

}  // namespace spectra::train
