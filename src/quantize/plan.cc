// SPDX-License-Identifier: Apache-2.0
#include "quantize/plan.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <numeric>
#include <set>

#include "base/error.h"
#include "base/log.h"
#include "base/system.h"
#include "base/units.h"
#include "format/strict_json.h"
#include "model/variants.h"
#include "ops/gemm_peak.h"
#include "quantize/moments.h"
#include "quantize/stream.h"

namespace spectra::quantize {
namespace {

constexpr int64_t kScoredTokens = 16384;
constexpr double kMemoryShare = 0.7;    // of what is available may hold activations
constexpr double kLong = 1e13;          // FLOP: shorter work is not worth measuring the machine for
constexpr double kEfficiency = 0.75;    // of the measured peak, over all
constexpr int64_t kSmallestGroup = 32;  // chosen by default

/// Weights that take two or three values are low-bit ones that config.json does not call so.
bool looks_low_bit(const format::ModelDirectory& directory, const model::Config& config) {
  for (const model::Parameter& p : model::parameters(config)) {
    if (p.role != model::Role::kLinear) continue;
    std::vector<float> w(static_cast<size_t>(p.rows * p.cols));
    format::read_floats(directory.get(p.name), w.data());
    const std::set<float> values(w.begin(), w.begin() + p.cols);
    return values.size() <= 3;
  }
  return false;
}

int64_t common_divisor(const model::Config& config) {
  return std::gcd(std::gcd(config.hidden, config.glu), config.heads * config.head_dim());
}

}  // namespace

model::Config float_config(const format::ModelDirectory& directory) {
  const std::string where = directory.path().string();
  const nlohmann::json document = format::parse_json_object(directory.config_json(), where + "/config.json");
  if (document.contains("quantization_config") && !document["quantization_config"].is_null())
    throw bad_input(fmt::format("{} is quantized or packed already", where), "quantize the float model that it was made from");
  model::Config config = model::config_from_json(directory.config_json(), where + "/config.json");
  model::require_supported(config, "quantize");
  if (config.family != model::Family::kFloat || looks_low_bit(directory, config))
    throw bad_input(fmt::format("{} is a {} model: its weights take two or three values already", where,
                                config.family == model::Family::kFloat ? "low-bit" : model::family_name(config.family)),
                    "`spectra pack` stores them in 1 to 2 bits without changing one");
  return config;
}

int64_t choose_group_size(const Job& job, const model::Config& config) {
  const int64_t wanted = job.options.group_size, common = common_divisor(config);
  if (wanted == 0 || common % wanted == 0) return wanted;
  std::vector<int64_t> sizes;
  for (int64_t size = 1; size <= common; ++size)
    if (common % size == 0) sizes.push_back(size);
  const std::string widths =
      fmt::format("the linear layers have {}, {} and {} columns", config.hidden, config.heads * config.head_dim(), config.glu);
  if (job.group_given)
    throw Error(Exit::kUsage, fmt::format("--group-size {} does not divide the rows of every layer: {}", wanted, widths),
                fmt::format("allowed: -1 (a scale a row) or {}", fmt::join(sizes, ", ")));
  int64_t chosen = 0;
  for (const int64_t size : sizes)
    if (size <= wanted && size >= kSmallestGroup) chosen = size;
  log_info("groups of {} do not fit ({}): {}", wanted, widths,
           chosen == 0 ? "one scale a row instead" : fmt::format("groups of {} instead", chosen));
  return chosen;
}

int64_t scored_sequences(int64_t samples, int64_t sequence) {
  return std::min(samples, std::max<int64_t>(1, kScoredTokens / sequence));
}

double solving_flops(const Options& options, bool calibrated) {
  const double columns = options.method == Method::kRtn ? 0 : 1, target = options.method == Method::kGptaq ? 4 : 0;
  return columns + target + (calibrated ? 4 : 0);
}

Plan make_plan(const Job& job, const model::Config& config, int64_t samples, int64_t sequence, size_t activation_bytes,
               uint64_t output_bytes) {
  Plan plan;
  const bool calibrated = samples > 0, mixed = job.options.method == Method::kGptaq;
  const int64_t tokens = samples * sequence, scored = calibrated ? scored_sequences(samples, sequence) * sequence : 0;
  const int64_t other = mixed ? tokens : scored;  // of the full-precision stream
  uint64_t largest = 0, codes = 0;
  const auto layers = static_cast<double>(config.layers);
  for (const model::Parameter& p : model::parameters(config)) {
    const auto weights = static_cast<uint64_t>(p.rows * p.cols);
    largest = std::max(largest, weights);
    if (p.role != model::Role::kLinear) continue;
    codes += weights + weights / 8;
    plan.flop += solving_flops(job.options, calibrated) * static_cast<double>(p.rows) * static_cast<double>(p.cols * p.cols);
  }
  plan.memory = largest * sizeof(float) * 2;
  plan.disk = codes + output_bytes;
  if (!calibrated) return plan;
  plan.activations = Stream::stored_bytes(config, tokens + other, activation_bytes);
  int64_t widest = 0;
  for (const Step step : kSteps) {
    const int64_t width = input_width(config, step);
    widest = std::max(widest, width);
    plan.flop += layers * (static_cast<double>(tokens + other) * step_flops(config, step, sequence) +
                           static_cast<double>(tokens) * MomentSums::flops(width, mixed) +
                           static_cast<double>(width) * static_cast<double>(width) * static_cast<double>(width) * 2 / 3);
  }
  plan.memory += 2 * Stream::working_bytes(config, sequence, activation_bytes) + MomentSums::bytes(widest, mixed) +
                 static_cast<uint64_t>(widest * widest) * (mixed ? 2 : 1) * sizeof(double);
  return plan;
}

void check_room(Plan& plan, const Job& job, ops::Backend& backend) {
  const fs::path folder = fs::absolute(job.out).parent_path();
  const auto room = static_cast<uint64_t>(kMemoryShare * static_cast<double>(memory_available()));
  plan.spill = plan.memory + plan.activations > room;
  require_memory(plan.memory, "quantizing", "use a machine with more memory");
  require_disk(plan.disk + (plan.spill ? plan.activations : 0), folder,
               plan.spill ? fmt::format("the quantized model and {} of activations", format_bytes(plan.activations))
                          : "the quantized model");
  log_info("memory {}, activations {} {}, disk {}", format_bytes(plan.memory), format_bytes(plan.activations),
           plan.spill ? "in a file, since they do not fit into memory" : "in memory", format_bytes(plan.disk));
  if (plan.flop < kLong) return;
  plan.peak = ops::gemm_peak(backend);
  const double seconds = plan.flop / (kEfficiency * plan.peak);
  log_info("about {} for {:.0f} TFLOP", format_duration(seconds), plan.flop / 1e12);
}

}  // namespace spectra::quantize
