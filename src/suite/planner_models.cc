// SPDX-License-Identifier: Apache-2.0
#include "suite/planner.h"

#include <algorithm>
#include <numeric>

#include "analysis/run.h"
#include "base/error.h"

namespace spectra::suite {
namespace {

constexpr double kScaleBits = 32;  // of a group: its scale and zero point, as the paper counts

/// A weight's share of its scale. The paper counts those of groups, not those of rows, which are few at its sizes (0.01 to 0.06
/// bits a weight) and many at small ones (1 bit at rows of 32).
double scale_bits(const model::Config& config, int64_t group) {
  if (group > 0) return kScaleBits / static_cast<double>(group);
  if (is_paper_size(config)) return 0;
  double rows = 0, weights = 0;
  for (const model::Parameter& p : model::parameters(config))
    if (p.role == model::Role::kLinear)
      rows += static_cast<double>(p.rows), weights += static_cast<double>(p.rows) * static_cast<double>(p.cols);
  return kScaleBits * rows / weights;
}

}  // namespace

Plan Planner::build() {
  find_vocabulary();
  check_tasks();
  prepare();
  for (const Size& size : suite_.sizes)
    if (wanted(size.name))
      for (const std::string& family : suite_.families)
        for (const int64_t seed : suite_.seeds) {
          const size_t trained = train(family, size, seed, nullptr);
          if (family == "float")
            for (const int64_t bits : suite_.quantize.bits) quantize(trained, static_cast<int>(bits));
        }
  for (const Arm& arm : suite_.arms) train_arm(arm);
  choose_threads();
  for (size_t i = 0; i < plan_.models.size(); ++i) finish_model(i);
  report();
  require_different_names();
  return std::move(plan_);
}

bool Planner::wanted(const std::string& size) const {
  const auto& sizes = suite_.quick_sizes;
  return !quick_ || sizes.empty() || std::find(sizes.begin(), sizes.end(), size) != sizes.end();
}

size_t Planner::add(Job job) {
  plan_.jobs.push_back(std::move(job));
  return plan_.jobs.size() - 1;
}

train::Plan Planner::plan_run(const std::string& family, const Size& size, int64_t seed, const Arm* arm, Job& job) const {
  const std::string& origin = arm != nullptr ? arm->origin : size.origin;
  try {
    Settings settings = run_settings(suite_, family, size, seed, arm, quick_);
    settings.push_back({"data.path", plan_.data, suite_.data.origin});
    const train::Recipe recipe = train::make_recipe(settings, origin);
    job.recipe = train::recipe_to_toml(recipe);
    job.recipe_sha256 = train::recipe_sha256(recipe);
    return train::make_plan(recipe, vocab_, 0);
  } catch (const Error& error) {
    const std::string what = error.what();
    const bool has_line = what.rfind(suite_.path.string() + ":", 0) == 0 || what.rfind("--set:", 0) == 0;
    throw Error(error.code(), has_line ? what : fmt::format("{}: {} {}: {}", origin, family, size.name, what), error.hint());
  }
}

size_t Planner::train(const std::string& family, const Size& size, int64_t seed, const Arm* arm) {
  PlannedModel model;
  model.name = fmt::format("{}-{}{}-seed{}", family, size.name, arm == nullptr ? "" : "-" + arm->name, seed);
  model.size = size.name, model.arm = arm == nullptr ? "" : arm->name, model.seed = seed;
  for (size_t i = 0; i < plan_.models.size(); ++i)
    if (const PlannedModel& m = plan_.models[i]; m.name == model.name && m.size == model.size && m.arm == model.arm) return i;
  Job job;
  const train::Plan run = plan_run(family, size, seed, arm, job);
  model.config = run.config, model.tokens = run.tokens;
  model.bits_per_weight = analysis::bits_per_weight(run.config.family);
  model.size_bits = counted_bits(model.config, model.bits_per_weight);
  model.run = fs::path("runs") / model.name;
  model.model = model.run / "checkpoints" / fmt::format("step-{:08d}", run.steps);
  job.name = "train-" + model.name, job.kind = JobKind::kTrain, job.output = model.run, job.proof = model.model / "config.json";
  job.arguments = {"train", fmt::format("recipes/{}.toml", model.name), "--out", model.run.string(), "--json"};
  job.flops = run.total_flops(), job.disk_bytes = run.disk_bytes, job.memory_bytes = run.memory_bytes();
  if (prepared_ != kNoJob)
    job.after = {prepared_};
  else
    job.inputs = {plan_.data};
  model.made_by = add(std::move(job));
  largest_ = std::max(largest_, run.parameters.total());
  plan_.models.push_back(std::move(model));
  return plan_.models.size() - 1;
}

void Planner::train_arm(const Arm& arm) {
  for (const std::string& name : arm.sizes) {
    if (!wanted(name)) continue;
    for (const int64_t seed : arm.seeds) {
      train(arm.family, suite_.size(name), seed, nullptr);
      train(arm.family, suite_.size(name), seed, &arm);
    }
  }
}

void Planner::quantize(size_t of, int bits) {
  const Quantize& q = suite_.quantize;
  PlannedModel model = plan_.models[of];
  model.parent = model.name;
  model.name = fmt::format("{}-{}bit", model.name, bits);
  model.quantized_bits = bits;
  const int64_t group = group_size(model, bits);
  model.bits_per_weight = bits + scale_bits(model.config, group);
  model.size_bits = counted_bits(model.config, model.bits_per_weight);
  const fs::path from = model.model;
  model.model = fs::path("models") / model.name, model.run.clear();
  Job job;
  job.name = "quantize-" + model.name, job.kind = JobKind::kQuantize, job.output = model.model,
  job.proof = model.model / "config.json";
  job.arguments = {"quantize",      from.string(), "--bits",    fmt::format("{}", bits),     "--method", q.method,
                   "--calibration", plan_.data,    "--samples", fmt::format("{}", q.samples)};
  if (q.sequence > model.config.max_position)
    throw bad_input(fmt::format("{}: quantize.sequence = {} is longer than the models' context, {}", q.origin, q.sequence,
                                model.config.max_position),
                    "lower it; 0 = the whole context");
  if (q.sequence > 0) job.arguments.insert(job.arguments.end(), {"--sequence", fmt::format("{}", q.sequence)});
  if (q.group_size != 0) job.arguments.insert(job.arguments.end(), {"--group-size", fmt::format("{}", q.group_size)});
  job.arguments.insert(job.arguments.end(), {"--out", model.model.string(), "--json"});
  job.after = {model.made_by};
  // Two forward passes over the calibration text, and the second moments of every matrix's inputs.
  const model::ParameterCount count = model::count_parameters(model.config);
  const double tokens = static_cast<double>(q.samples * (q.sequence > 0 ? q.sequence : model.config.max_position));
  const double linear = static_cast<double>(count.linear);
  job.flops = tokens * 4 * linear + (tokens + static_cast<double>(model.config.glu)) * 2 * linear;
  job.disk_bytes = static_cast<uint64_t>(model.size_bits / 8 * 1.1);
  // Weights as read and as fp32, and the second moments of the widest inputs, twice.
  const double width = static_cast<double>(model.config.glu);
  job.memory_bytes = static_cast<uint64_t>(8 * static_cast<double>(count.total()) + 16 * width * width);
  model.made_by = add(std::move(job));
  plan_.models.push_back(std::move(model));
}

int64_t Planner::group_size(const PlannedModel& model, int bits) const {
  const int64_t given = suite_.quantize.group_size;
  const int64_t common = std::gcd(model.config.hidden, model.config.glu);
  if (given > 0 && common % given != 0)
    throw bad_input(fmt::format("{}: quantize.group_size = {} does not divide the rows of size {}: {} and {} columns",
                                suite_.quantize.origin, given, model.size, model.config.hidden, model.config.glu),
                    "allowed: -1 (a scale a row), or a divisor of all widths");
  if (given != 0) return std::max<int64_t>(given, 0);
  if (bits > 4) return 0;
  for (int64_t group = 128; group >= 32; --group)
    if (common % group == 0) return group;
  return 0;
}

}  // namespace spectra::suite
