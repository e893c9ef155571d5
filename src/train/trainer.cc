// SPDX-License-Identifier: Apache-2.0
#include "train/trainer.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "base/error.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/parallel.h"
#include "base/progress.h"
#include "base/stopwatch.h"
#include "base/system.h"
#include "ops/gemm_peak.h"
#include "train/checkpoint.h"
#include "train/data.h"
#include "train/faults.h"
#include "train/gradient_sum.h"
#include "train/layer_statistics.h"
#include "train/loader.h"
#include "train/retention.h"
#include "train/run_directory.h"
#include "train/run_log.h"
#include "train/schedule.h"
#include "train/step.h"

namespace spectra::train {

struct Trainer::Impl {
  Impl(const Recipe& recipe_, const fs::path& run_, bool resume, ranks::Ranks& ranks_, std::unique_ptr<ops::Backend> backend_);

  TrainResult train();
  LogLine train_step(int64_t next);
  StepNumbers forward_backward(int64_t first);
  void take_step(int64_t next, LogLine& line);
  double validate();
  void save();
  void write_checkpoint();
  void rewind(LogLine& line);
  [[noreturn]] void stop();
  TrainResult result() const;
  void measure_utilization(LogLine& line);
  int64_t groups_here() const { return std::max<int64_t>(1, recipe.reduction_groups / ranks.size()); }

  ranks::Ranks& ranks;
  const Recipe recipe;
  const fs::path run;
  const TrainingData data;
  const RunStart start;
  std::unique_ptr<ops::Backend> backend;
  const Plan plan;
  Transformer model;
  GradientSum sum;
  Optimizer optimizer;
  Faults faults;
  const Loader loader;
  std::optional<ValidationWindows> validation;
  std::unique_ptr<RunLog> log;  // rank 0's

  int64_t step = 0, updates = 0, saved_step = -1;
  bool interrupted_somewhere = false;
  double train_seconds = 0;
  double peak_flops = 0;  // of all ranks; 0 = not measured yet
  MicroBatch batch;
};

namespace {

/// Every rank has the same number of groups, and every group is a whole number of micro-batches.
void check_ranks(const Recipe& recipe, const ranks::Ranks& ranks) {
  if (recipe.reduction_groups > 0 && recipe.reduction_groups % ranks.size() != 0)
    throw bad_input(fmt::format("train.reduction_groups = {} cannot be shared by {} ranks", recipe.reduction_groups, ranks.size()),
                    "start a number of ranks that divides it");
  if (recipe.batch_sequences() % (ranks.size() * recipe.micro_batch) != 0)
    throw bad_input(fmt::format("{} ranks with micro-batches of {} do not divide the {} sequences of a batch", ranks.size(),
                                recipe.micro_batch, recipe.batch_sequences()),
                    "choose train.micro_batch (or the number of ranks) so that ranks times micro-batch divides the batch");
}

/// Ranks are started one by one, perhaps on several hosts: with another recipe, environment, CPU or copy of the data they would
/// train something else together.
void check_same_training(const Recipe& recipe, const TrainingData& data, ranks::Ranks& ranks) {
  const std::string mine = recipe_sha256(recipe) + data.sha256() + data.tokenizer_sha256();
  if (ranks.from_first(mine) == mine) return;
  throw bad_input(fmt::format("rank {} has another recipe or other data than rank 0", ranks.rank()),
                  "give all ranks the same options, SPECTRA_ variables and data; set train.precision where CPUs differ");
}

/// Rank 0 looks; the others believe it.
RunStart find_start_together(const Recipe& recipe, const fs::path& run, bool resume, const TrainingData& data,
                             ranks::Ranks& ranks) {
  check_ranks(recipe, ranks);
  check_same_training(recipe, data, ranks);
  return start_from_text(ranks.from_first(ranks.first() ? start_to_text(find_start(recipe, run, resume, data)) : ""));
}

/// The plan, refused before memory is taken when it does not fit.
Plan checked_plan(const Recipe& recipe, const TrainingData& data, const RunStart& start, const fs::path& run,
                  const ranks::Ranks& ranks, const ops::DeviceMemory& memory) {
  Plan plan = make_plan(recipe, data.vocab(), data.eos(), start.state.step, ranks.size());
  if (ranks.first()) require_resources(plan, run, memory, ranks.here());
  return plan;
}

std::optional<ValidationWindows> open_validation(const Recipe& recipe, const TrainingData& data) {
  if (const auto splits = data.valid(); !splits.empty())
    return ValidationWindows(splits, recipe.sequence, recipe.validation_tokens, recipe.mask_documents);
  log_info("{} has no split \"valid\": the run is not validated", data.name());
  return std::nullopt;
}

}  // namespace

Trainer::Impl::Impl(const Recipe& recipe_, const fs::path& run_, bool resume, ranks::Ranks& ranks_,
                    std::unique_ptr<ops::Backend> backend_)
    : ranks(ranks_),
      recipe(recipe_),
      run(run_),
      data(recipe),
      start(find_start_together(recipe, run, resume, data, ranks)),
      backend(std::move(backend_)),
      plan(checked_plan(recipe, data, start, run, ranks, backend->memory())),
      model(*backend, plan.config, recipe.micro_batch, recipe.sequence, recompute_from_name(recipe.recompute),
            {ranks.rank(), ranks.size()}),
      sum(*backend, ranks, model, groups_here()),
      optimizer(*backend, ranks, model, recipe),
      faults(recipe, start.state.faults),
      loader(data.train(), recipe.sequence, static_cast<uint64_t>(recipe.seed), recipe.mask_documents),
      validation(open_validation(recipe, data)) {
  if (ranks.first()) warn_of_other_sums(start, recipe, backend->name(), ranks.size());
  if (start.checkpoint.empty()) {
    model.initialize(static_cast<uint64_t>(recipe.seed));
    model.quantize();
    share_weights(*backend, ranks, model);
  } else {
    load_checkpoint(start.checkpoint, *backend, ranks, model);
    step = saved_step = start.state.step;
    updates = start.state.updates;
  }
  if (ranks.first()) log = open_run(recipe, run, start);
}

/// This rank's share of the sequences from `first` on, group by group; the last backward pass sends gradients on their way.
StepNumbers Trainer::Impl::forward_backward(int64_t first) {
  const int64_t groups = groups_here(), sequences = recipe.batch_sequences() / (ranks.size() * groups);
  const float scale = static_cast<float>(faults.loss_scale() / static_cast<double>(recipe.batch_tokens));
  std::vector<double> losses;
  int64_t scored = 0;
  for (int64_t group = 0; group < groups; ++group) {
    model.reset_loss();
    const int64_t begin = first + (ranks.rank() * groups + group) * sequences;
    for (int64_t done = 0; done < sequences; done += recipe.micro_batch) {
      loader.read(static_cast<uint64_t>(begin + done), recipe.micro_batch, batch);
      const bool last = group + 1 == groups && done + recipe.micro_batch == sequences;
      const auto on_block = [this](size_t block) { sum.block_ready(block); };
      model.forward_backward(batch.tokens, batch.targets, scale, batch.first_keys,
                             last ? std::function<void(size_t)>(on_block) : nullptr);
    }
    losses.push_back(model.loss());
    scored += model.scored();
    if (group + 1 < groups) sum.end_group();
  }
  sum.finish();
  return optimizer.measure(losses, scored, faults.loss_scale());
}

void Trainer::Impl::take_step(int64_t next, LogLine& line) {
  const int64_t count = recipe.batch_sequences(), first = (next - 1) * count;
  line.skipped = faults.recorded(first, count);
  if (!line.skipped.empty()) {
    line.loss = line.grad_norm = std::numeric_limits<double>::quiet_NaN();
    return faults.skip(first, count, line.skipped);
  }
  const StepNumbers numbers = forward_backward(first);
  interrupted_somewhere = interrupted_somewhere || numbers.interrupted;
  line.loss = numbers.loss;
  line.grad_norm = numbers.grad_norm;
  if (recipe.precision == "fp16") line.loss_scale = faults.loss_scale();
  line.skipped = faults.judge(line.loss, line.grad_norm);
  if (!line.skipped.empty()) {
    optimizer.discard();
    return faults.skip(first, count, line.skipped);
  }
  const UpdateResult update = optimizer.update(++updates, schedule_position(recipe, next));
  faults.accept(line.loss, line.grad_norm);
  line.lr = update.lr;
  line.weight_decay = update.weight_decay;
  line.zero_fraction = update.zero_fraction;
  line.flip_fraction = update.flip_fraction;
}

LogLine Trainer::Impl::train_step(int64_t next) {
  const Stopwatch watch;
  LogLine line;
  line.step = next;
  line.tokens = next * recipe.batch_tokens;
  take_step(next, line);
  const double seconds = watch.seconds();
  train_seconds += seconds;
  line.tokens_per_second = static_cast<double>(recipe.batch_tokens) / seconds;
  line.memory_bytes = memory_resident();
  return line;
}

/// Micro-batches go round the ranks; their losses are added in their order, so the result does not depend on the ranks.
double Trainer::Impl::validate() {
  std::vector<double> losses;
  int64_t window = ranks.rank() * recipe.micro_batch;
  const int64_t stride = ranks.size() * recipe.micro_batch, rounds = (validation->windows() + stride - 1) / stride;
  for (int64_t round = 0; round < rounds; ++round, window += stride) {
    model.reset_loss();
    if (window < validation->windows()) {
      validation->read(window, recipe.micro_batch, batch);
      model.evaluate(batch.tokens, batch.targets, {}, batch.first_keys);
    }
    losses.push_back(model.loss());
  }
  const std::vector<double> all = ranks.gather(losses);
  double total = 0;
  for (size_t round = 0; round < losses.size(); ++round)
    for (size_t rank = 0; rank < static_cast<size_t>(ranks.size()); ++rank) total += all[rank * losses.size() + round];
  return total / static_cast<double>(validation->scored());
}

void Trainer::Impl::write_checkpoint() {
  TrainerState state;
  state.step = step;
  state.updates = updates;
  state.tokens = step * recipe.batch_tokens;
  state.sequences = step * recipe.batch_sequences();
  state.recipe_sha256 = recipe_sha256(recipe);
  state.data_sha256 = data.sha256();
  state.tokenizer_sha256 = data.tokenizer_sha256();
  state.backend = backend->name();
  state.threads = compute_threads();
  state.ranks = ranks.size();
  state.faults = faults.state();
  format::Provenance provenance;
  provenance.family = recipe.family;
  provenance.size = recipe.size;
  provenance.recipe_sha256 = state.recipe_sha256;
  provenance.data_sha256 = state.data_sha256;
  provenance.step = state.step;
  provenance.tokens = state.tokens;
  save_checkpoint(checkpoint_path(run, step), *backend, ranks, model, state, provenance, data.tokenizer_path());
  // In the middle of skipped batches older weights may be needed still.
  if (!ranks.first() || faults.state().in_a_row > 0) return;
  retire_checkpoints(run, recipe, step);
}

/// A checkpoint that the disk would not take is a warning while the run can go on, an Error at its end.
void Trainer::Impl::save() {
  if (saved_step == step) return;
  std::optional<Error> failure;
  /// False on all ranks where rank 0 cannot: every rank goes the same way.
  const auto together = [&](const auto& body) {
    try {
      body();
    } catch (const Error& error) {
      failure = error;
    } catch (const fs::filesystem_error& error) {
      failure = Error(Exit::kFailed, error.what());
    }
    return ranks.from_first(failure ? failure->what() : "").empty();
  };
  // The log first: a checkpoint never knows steps that the log does not.
  const auto sync_log = [&] {
    if (log) log->sync();
  };
  if (together(sync_log) && together([&] { write_checkpoint(); })) {
    saved_step = step;
    return;
  }
  if (step == plan.steps || interrupted_somewhere) {
    if (!ranks.first()) ranks.from_first("");  // rank 0 speaks, and ends this one
    throw Error(*failure);
  }
  if (ranks.first()) log_warning("no checkpoint of step {}: {}; training goes on, the one before is whole", step, failure->what());
}

/// The weights go back to an older checkpoint, the data does not: what was read since is skipped.
void Trainer::Impl::rewind(LogLine& line) {
  const RunStart back = start_from_text(ranks.from_first(ranks.first() ? start_to_text(step_back(run, updates)) : ""));
  if (back.checkpoint.empty()) {
    if (!ranks.first()) ranks.from_first("");  // rank 0 speaks, and ends this one
    throw Error(
        Exit::kFailed,
        fmt::format("step {}: {} batches in a row were skipped (the last: {}) and there is no older checkpoint to go back to; "
                    "training has diverged",
                    line.step, faults.state().in_a_row, line.skipped),
        fmt::format("the checkpoints are kept; start a new run with a lower schedule.lr (now {}), a longer schedule.warmup or a "
                    "smaller optimizer.clip",
                    recipe.lr));
  }
  const int64_t per_step = recipe.batch_sequences();
  if (ranks.first())
    log_warning("step {}: {} batches in a row were skipped; back to the weights of {}, the data since is skipped", line.step,
                faults.state().in_a_row, back.checkpoint.string());
  load_checkpoint(back.checkpoint, *backend, ranks, model);
  updates = back.state.updates;
  faults.rewound(back.state.faults, back.state.step * per_step, (line.step - back.state.step) * per_step);
  line.rewound_to = back.state.step;
}

void Trainer::Impl::stop() {
  save();
  throw Error(Exit::kInterrupted, fmt::format("interrupted; step {} is saved in {}; continue with --resume", step,
                                              checkpoint_path(run, step).string()));
}

/// The peak is measured when the run has taken some seconds: it costs half a second, which a short run is not asked for.
void Trainer::Impl::measure_utilization(LogLine& line) {
  constexpr double kFirstSeconds = 5;
  if (train_seconds < kFirstSeconds || recipe.precision == "reference" || !line.skipped.empty()) return;
  const double reached = line.tokens_per_second * plan.flops_per_token;
  // Other programs may have been busy while it was measured: a step above the peak asks again, and is a lower bound itself.
  if (reached > peak_flops) peak_flops = std::max({reached, peak_flops, ops::gemm_peak(*backend) * ranks.size()});
  line.mfu = reached / peak_flops;
}

TrainResult Trainer::Impl::train() {
  if (step == plan.steps) log_info("{} is finished: {} steps are done", run.string(), step);
  if (ranks.first() && faults.state().in_a_row == 0)
    retire_checkpoints(run, recipe, step);  // what a killed process did not come to
  Progress progress("training", static_cast<uint64_t>(plan.steps), static_cast<uint64_t>(step));
  while (step < plan.steps) {
    LogLine line = train_step(step + 1);
    ++step;
    if (faults.rewind_due()) rewind(line);
    const bool last = step == plan.steps;
    if (validation && (last || step % recipe.validation_every == 0)) line.validation_loss = validate();
    if (recipe.layers_every > 0 && step % recipe.layers_every == 0) line.layers = layer_statistics(*backend, ranks, model);
    if (log) {
      measure_utilization(line);
      log->append(line);
    }
    progress.update(static_cast<uint64_t>(step), progress_text(line));
    // In the middle of skipped batches the weights are those of the checkpoint before, or worse.
    if (last || (makes_checkpoint(recipe, step) && faults.state().in_a_row == 0)) save();
    if (!last && interrupted_somewhere) {
      progress.clear();
      stop();
    }
  }
  return result();
}

TrainResult Trainer::Impl::result() const {
  TrainResult result;
  result.checkpoint = checkpoint_path(run, step);
  result.step = step;
  result.tokens = step * recipe.batch_tokens;
  if (log) {
    result.loss = log->loss();
    result.validation_loss = log->validation_loss();
  }
  const double tokens_here = static_cast<double>((step - start.state.step) * recipe.batch_tokens);
  if (train_seconds > 0) result.tokens_per_second = tokens_here / train_seconds;
  result.flops_per_second = result.tokens_per_second * plan.flops_per_token;
  if (peak_flops > 0) result.mfu = result.flops_per_second / peak_flops;
  result.skipped_batches = faults.state().skipped_batches;
  result.skipped_tokens = faults.state().skipped_tokens;
  if (recipe.precision == "fp16") result.lowest_loss_scale = faults.state().loss_scale.lowest;
  return result;
}

Trainer::Trainer(const Recipe& recipe, const fs::path& run, bool resume, ranks::Ranks& ranks)
    : Trainer(recipe, run, resume, ranks, ops::make_backend(recipe.device, recipe.precision)) {}
Trainer::Trainer(const Recipe& recipe, const fs::path& run, bool resume, ranks::Ranks& ranks, std::unique_ptr<ops::Backend> backend)
    : impl_(std::make_unique<Impl>(recipe, run, resume, ranks, std::move(backend))) {}
Trainer::~Trainer() = default;
TrainResult Trainer::run() { return impl_->train(); }

}  // namespace spectra::train
