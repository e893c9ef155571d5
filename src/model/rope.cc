// SPDX-License-Identifier: Apache-2.0
#include "model/rope.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "model/config.h"

namespace spectra::model {
namespace {

constexpr double kTurn = 2 * 3.14159265358979323846;

/// Frequencies that turn fewer than `low_frequency` times over the original text are divided, those above `high_frequency` are
/// kept.
void scale_llama3(const Rope& rope, std::vector<double>& inverse) {
  for (double& frequency : inverse) {
    const double turns = static_cast<double>(rope.original_positions) * frequency / kTurn;
    const double kept = std::clamp((turns - rope.low_frequency) / (rope.high_frequency - rope.low_frequency), 0.0, 1.0);
    frequency = (1 - kept) * frequency / rope.factor + kept * frequency;
  }
}

/// The dimension, of head_dim, whose pair turns so often over the original text.
double dimension_of(double turns, const Rope& rope, int64_t head_dim, double positions) {
  return static_cast<double>(head_dim) * std::log(positions / (turns * kTurn)) / (2 * std::log(static_cast<double>(rope.theta)));
}

void scale_yarn(const Rope& rope, int64_t head_dim, int64_t positions, std::vector<double>& inverse) {
  const auto original = static_cast<double>(rope.original_positions > 0 ? rope.original_positions : positions);
  double low = dimension_of(rope.fast, rope, head_dim, original), high = dimension_of(rope.slow, rope, head_dim, original);
  if (rope.truncate) low = std::floor(low), high = std::ceil(high);
  low = std::max(low, 0.0), high = std::min(high, static_cast<double>(head_dim - 1));
  if (low == high) high += 0.001;  // as transformers, which divides by the difference
  for (size_t i = 0; i < inverse.size(); ++i) {
    const double divided = std::clamp((static_cast<double>(i) - low) / (high - low), 0.0, 1.0);
    inverse[i] = inverse[i] / rope.factor * divided + inverse[i] * (1 - divided);
  }
}

double yarn_scale(double factor, double scale) { return factor <= 1 ? 1 : 0.1 * scale * std::log(factor) + 1; }

double yarn_attention_factor(const Rope& rope) {
  if (rope.attention_factor > 0) return rope.attention_factor;
  if (rope.score_scale > 0 && rope.score_scale_all_dims > 0)
    return yarn_scale(rope.factor, rope.score_scale) / yarn_scale(rope.factor, rope.score_scale_all_dims);
  return yarn_scale(rope.factor, 1);
}

}  // namespace

const char* rope_scaling_name(RopeScaling scaling) {
  static constexpr const char* kNames[] = {"default", "linear", "llama3", "yarn"};
  return kNames[static_cast<size_t>(scaling)];
}

RopeFrequencies rope_frequencies(const Rope& rope, int64_t head_dim, int64_t positions) {
  RopeFrequencies out;
  for (int64_t i = 0; i < head_dim / 2; ++i)
    out.inverse.push_back(std::pow(static_cast<double>(rope.theta), -2.0 * static_cast<double>(i) / static_cast<double>(head_dim)));
  switch (rope.scaling) {
    case RopeScaling::kDefault:
      break;
    case RopeScaling::kLinear:
      for (double& frequency : out.inverse) frequency /= rope.factor;
      break;
    case RopeScaling::kLlama3:
      scale_llama3(rope, out.inverse);
      break;
    case RopeScaling::kYarn:
      scale_yarn(rope, head_dim, positions, out.inverse);
      out.attention_factor = yarn_attention_factor(rope);
      break;
  }
  return out;
}

RopeFrequencies rope_frequencies(const Config& config) {
  return rope_frequencies(config.rope, config.head_dim(), config.max_position);
}

void validate(const Rope& rope) {
  const auto check = [](bool good, const char* name, double value, const char* allowed) {
    if (!good) throw bad_input(fmt::format("rope {} is {}", name, value), allowed);
  };
  check(rope.theta > 0 && rope.theta < 1e30f, "theta", rope.theta, "allowed are numbers above 0");
  if (rope.scaling == RopeScaling::kDefault) return;
  check(rope.factor >= 1 && rope.factor <= 1e6, "factor", rope.factor, "allowed are 1 to 1000000");
  if (rope.scaling == RopeScaling::kLlama3) {
    check(rope.original_positions > 0, "original_max_position_embeddings", static_cast<double>(rope.original_positions),
          "llama3 scaling needs the longest text of before");
    check(rope.low_frequency > 0 && rope.low_frequency < 1e6, "low_freq_factor", rope.low_frequency, "allowed are numbers above 0");
    check(rope.high_frequency > rope.low_frequency && rope.high_frequency < 1e6, "high_freq_factor", rope.high_frequency,
          "it must be larger than low_freq_factor");
  }
  if (rope.scaling == RopeScaling::kYarn) {
    check(rope.theta > 1, "theta", rope.theta, "yarn scaling needs a number above 1");
    check(rope.slow > 0 && rope.slow < 1e6, "beta_slow", rope.slow, "allowed are numbers above 0");
    check(rope.fast >= rope.slow && rope.fast < 1e6, "beta_fast", rope.fast, "it must not be smaller than beta_slow");
    check(rope.attention_factor >= 0 && rope.attention_factor < 1e6, "attention_factor", rope.attention_factor,
          "allowed are numbers above 0");
  }
}

}  // namespace spectra::model
