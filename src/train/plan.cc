// SPDX-License-Identifier: Apache-2.0
#include "train/plan.h"

#include <algorithm>

#include "base/error.h"
#include "base/progress.h"
#include "base/system.h"
#include "train/gradient_sum.h"
#include "train/transformer.h"

namespace spectra::train {
namespace {

/// Training: 3 times the forward pass (input gradients and weight gradients cost as much each). Forward, a token: 2 per weight of
/// the linear layers and the head, and causal attention reads T/2 keys and T/2 values of width D on average: 2 T D a layer.
double training_flops_per_token(const model::Config& config, const model::ParameterCount& count, int64_t sequence) {
  const double weights = static_cast<double>(count.linear + config.vocab * config.hidden);
  return 3 * (2 * weights + 2 * static_cast<double>(sequence * config.hidden * config.layers));
}

/// Checkpoints at steps every, 2 every, ... and the last; `keep` of them with trainer state, and one more while it is written.
uint64_t checkpoint_disk(const Plan& plan, const Recipe& recipe, int64_t first_step) {
  const int64_t every = recipe.checkpoint_every;
  const int64_t ahead = plan.steps / every - first_step / every + (plan.steps % every == 0 ? 0 : 1);
  const int64_t full = std::min(ahead, recipe.keep + 1);
  return static_cast<uint64_t>(ahead) * plan.model_bytes + static_cast<uint64_t>(full) * plan.trainer_bytes;
}

}  // namespace

double Plan::total_flops() const { return flops_per_token * static_cast<double>(tokens); }

Plan make_plan(const Recipe& recipe, int64_t vocab, int32_t eos, int64_t first_step, int ranks) {
  Plan plan;
  plan.config = model_config(recipe, vocab, eos);
  plan.parameters = model::count_parameters(plan.config);
  plan.steps = recipe.steps();
  plan.tokens = plan.steps * recipe.batch_tokens;
  plan.batch_sequences = recipe.batch_sequences();
  plan.micro_batches = plan.batch_sequences / recipe.micro_batch;
  plan.warmup_steps = (recipe.warmup_tokens() + recipe.batch_tokens - 1) / recipe.batch_tokens;
  const uint64_t fp32 = 4 * static_cast<uint64_t>(plan.parameters.total());
  const size_t activation_bytes = recipe.precision == "bf16" || recipe.precision == "fp16" ? 2 : 4;
  const ParameterBytes parts = parameter_bytes(plan.config, {0, ranks});  // rank 0 owns the largest block
  const int64_t groups = std::max<int64_t>(1, recipe.reduction_groups / ranks);
  plan.master_bytes = parts.masters;
  plan.gradient_bytes = parts.gradients + GradientSum::memory_needed(parts.gradients, ranks, groups);
  plan.moment_bytes = parts.moments;
  const uint64_t all = Transformer::memory_needed(plan.config, recipe.micro_batch, recipe.sequence, activation_bytes,
                                                  recompute_from_name(recipe.recompute), {0, ranks});
  plan.working_bytes = all - std::min(all, parts.masters + parts.gradients + parts.moments);
  plan.model_bytes = fp32 / 2;
  plan.trainer_bytes = 3 * fp32;
  plan.disk_bytes = checkpoint_disk(plan, recipe, first_step);
  plan.flops_per_token = training_flops_per_token(plan.config, plan.parameters, recipe.sequence);
  return plan;
}

void require_resources(const Plan& plan, const fs::path& run, int ranks_here) {
  require_memory(plan.memory_bytes() * static_cast<uint64_t>(ranks_here), "training",
                 "lower train.micro_batch or train.sequence, set train.recompute to selective or full, or take a smaller model");
  require_disk(plan.disk_bytes, run, "the run's checkpoints");
}

std::string describe(const Plan& plan, const Recipe& recipe) {
  const model::Config& c = plan.config;
  std::string text;
  const auto line = [&](const char* name, const std::string& value) { text += fmt::format("{:<24}{}\n", name, value); };
  const auto count = [](int64_t n) { return format_count(static_cast<uint64_t>(n)); };
  line("model", fmt::format("{}, hidden {}, GLU {}, heads {}, layers {}, vocabulary {}, shards {}", recipe.family, c.hidden, c.glu,
                            c.heads, c.layers, c.vocab, c.shards));
  line("parameters", fmt::format("{} (linear {}, embedding and head {})", count(plan.parameters.total()),
                                 count(plan.parameters.linear), count(plan.parameters.embedding_and_head)));
  line("steps", fmt::format("{} of {} tokens ({} micro-batches of {} x {}), {} of warm-up", plan.steps, recipe.batch_tokens,
                            plan.micro_batches, recipe.micro_batch, recipe.sequence, plan.warmup_steps));
  line("precision", recipe.precision);
  line("memory", format_bytes(plan.memory_bytes()));
  line("  master weights", format_bytes(plan.master_bytes));
  line("  gradients", format_bytes(plan.gradient_bytes));
  line("  moments", format_bytes(plan.moment_bytes));
  line("  GEMMs, activations", format_bytes(plan.working_bytes));
  line("disk per checkpoint", fmt::format("{} (model {}, trainer state {})", format_bytes(plan.model_bytes + plan.trainer_bytes),
                                          format_bytes(plan.model_bytes), format_bytes(plan.trainer_bytes)));
  line("disk for the run", format_bytes(plan.disk_bytes));
  line("FLOPs", fmt::format("{:.3g} per token, {:.3g} in all", plan.flops_per_token, plan.total_flops()));
  return text;
}

}  // namespace spectra::train
