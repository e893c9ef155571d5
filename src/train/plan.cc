// SPDX-License-Identifier: Apache-2.0
#include "train/plan.h"

#include <algorithm>

#include "base/error.h"
#include "base/system.h"
#include "base/units.h"
#include "train/gradient_sum.h"
#include "train/loss.h"
#include "train/retention.h"
#include "train/transformer.h"
#include "train/weights.h"

namespace spectra::train {
namespace {

/// Training: 3 times the forward pass (input gradients and weight gradients cost as much each). Forward, a token: 2 per weight of
/// the linear layers and the head, and causal attention reads T/2 keys and T/2 values of width D on average: 2 T D a layer.
double training_flops_per_token(const model::Config& config, const model::ParameterCount& count, int64_t sequence) {
  const double weights = static_cast<double>(count.linear + config.vocab * config.hidden);
  return 3 * (2 * weights + 2 * static_cast<double>(sequence * config.hidden * config.layers));
}

/// `keep` checkpoints with trainer state and one more while it is written, and the models that stay of the others.
void plan_disk(Plan& plan, const Recipe& recipe, int64_t first_step) {
  const uint64_t fp32 = 4 * static_cast<uint64_t>(plan.parameters.total());
  plan.model_bytes = fp32 / 2;
  plan.trainer_bytes = 3 * fp32;
  const CheckpointCounts ahead = count_checkpoints(recipe, first_step);
  plan.checkpoints = ahead.made;
  const int64_t full = std::min(ahead.made, recipe.keep + 1), older = std::min(ahead.models, ahead.made - full);
  const bool packed = recipe.pack && plan.config.family != model::Family::kFloat;
  const uint64_t older_bytes = packed ? packed_model_bytes(plan.config) : plan.model_bytes;
  plan.disk_bytes =
      static_cast<uint64_t>(full) * (plan.model_bytes + plan.trainer_bytes) + static_cast<uint64_t>(older) * older_bytes;
}

/// Copies that exist beside the tensors. A checkpoint is written from the values of a parameter, as they came from its owner, on
/// the device and in fp16: the largest one counts. fp16 products run on fp32 copies of both operands and of the result.
uint64_t scratch_bytes(const model::Config& config, const Recipe& recipe) {
  int64_t largest = 0;
  for (const model::Parameter& parameter : model::parameters(config)) largest = std::max(largest, parameter.rows * parameter.cols);
  int64_t bytes = (4 + 4 + 2) * largest;
  if (recipe.precision == "fp16") {
    const int64_t tokens = recipe.micro_batch * recipe.sequence, widest = std::max(2 * config.glu, config.qkv_dim());
    bytes += 4 * (config.vocab * config.hidden + 2 * std::max(tokens * widest, std::min(tokens, kHeadRows) * config.vocab));
  }
  return static_cast<uint64_t>(bytes);
}

/// The rank that keeps most; the others' masters and moments in plan.owned_bytes.
int neediest_rank(Plan& plan, int ranks) {
  for (int rank = 0; rank < ranks; ++rank) {
    const ParameterBytes parts = parameter_bytes(plan.config, {rank, ranks});
    plan.owned_bytes.push_back(parts.masters + parts.moments);
  }
  return static_cast<int>(std::max_element(plan.owned_bytes.begin(), plan.owned_bytes.end()) - plan.owned_bytes.begin());
}

void plan_memory(Plan& plan, const Recipe& recipe, int ranks) {
  const Place place{neediest_rank(plan, ranks), ranks};
  plan.scratch_bytes = scratch_bytes(plan.config, recipe);
  const size_t bytes = recipe.precision == "bf16" || recipe.precision == "fp16" ? 2 : 4;
  const ParameterBytes parts = parameter_bytes(plan.config, place);
  const int64_t groups = std::max<int64_t>(1, recipe.reduction_groups / ranks);
  plan.master_bytes = parts.masters;
  plan.gradient_bytes = parts.gradients + GradientSum::memory_needed(parts.gradients, ranks, groups);
  plan.moment_bytes = parts.moments;
  Memory counted(nullptr);
  const Weights weights(plan.config, {bytes == 2 ? DType::kBf16 : DType::kF32, DType::kF32}, place, counted);
  plan.gemm_weight_bytes = counted.bytes() - (parts.masters + parts.gradients + parts.moments);
  for (const char* mode : {"none", "selective", "full"}) {
    const uint64_t all =
        Transformer::memory_needed(plan.config, recipe.micro_batch, recipe.sequence, bytes, recompute_from_name(mode), place);
    plan.activation_choices.emplace_back(mode, all - counted.bytes());
    if (recipe.recompute == mode) plan.activation_bytes = plan.activation_choices.back().second;
  }
}

}  // namespace

uint64_t Plan::memory_bytes() const {
  return master_bytes + gradient_bytes + moment_bytes + gemm_weight_bytes + activation_bytes + scratch_bytes;
}

uint64_t Plan::memory_bytes(int ranks_here) const {
  const auto here = static_cast<size_t>(ranks_here);
  uint64_t bytes = here * (memory_bytes() - master_bytes - moment_bytes);
  for (size_t rank = 0; rank < here && rank < owned_bytes.size(); ++rank) bytes += owned_bytes[rank];
  return bytes;
}

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
  plan_memory(plan, recipe, ranks);
  plan_disk(plan, recipe, first_step);
  plan.flops_per_token = training_flops_per_token(plan.config, plan.parameters, recipe.sequence);
  return plan;
}

void require_resources(const Plan& plan, const fs::path& run, const ops::DeviceMemory& memory, int ranks_here) {
  require_memory(plan.memory_bytes(ranks_here), memory.free, "training",
                 "lower train.micro_batch or train.sequence, set train.recompute to selective or full, or take a smaller model");
  require_disk(plan.disk_bytes, run, "the run's checkpoints");
}

std::string describe(const Plan& plan, const Recipe& recipe, double tokens_per_second) {
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
  line("  GEMM weights", format_bytes(plan.gemm_weight_bytes));
  line("  copies", format_bytes(plan.scratch_bytes));
  std::string others;
  for (const auto& choice : plan.activation_choices)
    if (choice.first != recipe.recompute)
      others += fmt::format("{}{} {}", others.empty() ? "" : ", ", choice.first, format_bytes(choice.second));
  line("  activations", fmt::format("{} (train.recompute {}; {})", format_bytes(plan.activation_bytes), recipe.recompute, others));
  line("disk per checkpoint", fmt::format("{} (model {}, trainer state {})", format_bytes(plan.model_bytes + plan.trainer_bytes),
                                          format_bytes(plan.model_bytes), format_bytes(plan.trainer_bytes)));
  line("disk for the run", fmt::format("{} ({} checkpoints, the newest {} with trainer state)", format_bytes(plan.disk_bytes),
                                       plan.checkpoints, recipe.keep));
  line("FLOPs", fmt::format("{:.3g} per token, {:.3g} in all", plan.flops_per_token, plan.total_flops()));
  line("time", tokens_per_second > 0 ? fmt::format("{} at {:g} tokens/s ({:.4g} GFLOP/s)",
                                                   format_duration(static_cast<double>(plan.tokens) / tokens_per_second),
                                                   tokens_per_second, tokens_per_second * plan.flops_per_token / 1e9)
                                     : "give --tokens-per-second, as spectra bench --train measures it");
  return text;
}

}  // namespace spectra::train
