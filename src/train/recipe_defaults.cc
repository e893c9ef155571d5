// SPDX-License-Identifier: Apache-2.0
// Defaults that depend on family and size. Peak learning rates are the paper's table 3; a size between two rows takes the
// smaller row's, one below 99M those of 99M. What the paper leaves open: floor 0.1 of the peak for float's cosine (the habit of
// the code base the paper used) and 0 for the linear decay; warm-up 1 %, weight decay 0.1, eps 1e-8, clip 1.
#include <algorithm>
#include <cmath>

#include "base/system.h"
#include "train/recipe.h"

namespace spectra::train {
namespace {

struct PeakRates {
  const char* size;
  double float_lr, lr, lr_second;  ///< FloatLM; TriLM and BiLM, first and second half
};
constexpr PeakRates kPeakRates[] = {
    {"99M", 4.0e-4, 2.4e-3, 1.5e-3},  {"190M", 4.0e-4, 2.4e-3, 1.5e-3}, {"390M", 3.0e-4, 1.8e-3, 1.2e-3},
    {"560M", 2.8e-4, 1.6e-3, 1.1e-3}, {"830M", 2.5e-4, 1.5e-3, 1.0e-3}, {"1.1B", 2.2e-4, 1.3e-3, 9.0e-4},
    {"1.5B", 2.0e-4, 1.2e-3, 8.0e-4}, {"2.4B", 2.0e-4, 1.2e-3, 8.0e-4}, {"3.9B", 1.5e-4, 1.2e-3, 8.0e-4},
};

/// Tokens of one forward and backward pass that keep the GEMMs of a CPU efficient; more only costs memory.
constexpr int64_t kMicroBatchTokens = 4096;

int64_t linear_parameters(int64_t hidden, int64_t glu, int64_t layers) { return layers * (4 * hidden * hidden + 3 * hidden * glu); }

/// Index of the largest row of the paper's table that is not larger than the recipe's model; -1 = below the first.
int paper_row(const Recipe& recipe) {
  const int64_t own = linear_parameters(recipe.hidden, recipe.glu, recipe.layers);
  int row = -1;
  for (const model::Size& size : model::spectra_sizes())
    if (linear_parameters(size.hidden, size.glu, size.layers) <= own) ++row;
  return row;
}

class Defaults {
 public:
  explicit Defaults(Recipe& recipe) : recipe_(recipe) {}
  template <class T, class V>
  void set(const char* key, T Recipe::*field, V value) const {
    if (recipe_.origins.count(key) == 0) recipe_.*field = static_cast<T>(value);
  }

 private:
  Recipe& recipe_;
};

void dimensions_of_size(Recipe& recipe, const Defaults& defaults) {
  if (recipe.size.empty()) return;
  const model::Size& size = model::size_from_name(recipe.size);
  defaults.set("model.hidden", &Recipe::hidden, size.hidden);
  defaults.set("model.glu", &Recipe::glu, size.glu);
  defaults.set("model.heads", &Recipe::heads, size.heads);
  defaults.set("model.layers", &Recipe::layers, size.layers);
  defaults.set("model.shards", &Recipe::shards, size.shards);
}

int64_t default_micro_batch(const Recipe& recipe) {
  if (recipe.sequence <= 0 || recipe.batch_tokens % recipe.sequence != 0) return 1;  // refused by the checks that follow
  const int64_t sequences = recipe.batch_sequences() / std::max<int64_t>(1, recipe.reduction_groups);
  int64_t best = 1;
  for (int64_t divisor = 1; divisor <= std::min(sequences, kMicroBatchTokens / recipe.sequence); ++divisor)
    if (sequences % divisor == 0) best = divisor;
  return best;
}

/// A sweep that sets schedule.lr alone keeps the paper's ratio of the two peaks.
double default_second_peak(const Recipe& recipe, const PeakRates& rates) {
  if (recipe.family == "float") return recipe.lr;
  return recipe.origins.count("schedule.lr") != 0 ? recipe.lr * (rates.lr_second / rates.lr) : rates.lr_second;
}

}  // namespace

void apply_defaults(Recipe& recipe) {
  const Defaults defaults(recipe);
  dimensions_of_size(recipe, defaults);
  defaults.set("model.kv_heads", &Recipe::kv_heads, recipe.heads);

  const int row = paper_row(recipe);
  const bool is_float = recipe.family == "float";
  const PeakRates& rates = kPeakRates[std::clamp(row, 0, static_cast<int>(std::size(kPeakRates)) - 1)];
  defaults.set("train.batch_tokens", &Recipe::batch_tokens, row < 0 ? 16'384 : is_float ? 2'097'152 : 1'048'576);
  defaults.set("train.sequence", &Recipe::sequence, row < 0 ? 256 : 2048);
  defaults.set("train.micro_batch", &Recipe::micro_batch, default_micro_batch(recipe));
  defaults.set("schedule.lr", &Recipe::lr, is_float ? rates.float_lr : rates.lr);
  defaults.set("schedule.lr_second", &Recipe::lr_second, default_second_peak(recipe, rates));
  defaults.set("schedule.lr_min", &Recipe::lr_min, is_float ? 0.1 * recipe.lr : 0.0);
  defaults.set("schedule.decay", &Recipe::decay, is_float ? "cosine" : "linear");
  defaults.set("schedule.lr_drop_at", &Recipe::lr_drop_at, is_float ? 1.0 : 0.5);
  defaults.set("schedule.decay_off_at", &Recipe::decay_off_at, is_float ? 1.0 : 0.667);
  // Kept as resolved: a run resumed on another machine must not change its arithmetic unnoticed.
  if (recipe.precision == "auto") recipe.precision = cpu_features().avx512_bf16 ? "bf16" : "fp32";
}

model::Config model_config(const Recipe& recipe, int64_t vocab, int32_t eos) {
  model::Config config;
  config.hidden = recipe.hidden;
  config.glu = recipe.glu;
  config.heads = recipe.heads;
  config.kv_heads = recipe.kv_heads;
  config.layers = recipe.layers;
  config.shards = recipe.shards;
  config.tied = recipe.tied;
  config.family = model::family_from_name(recipe.family);
  config.vocab = model::padded_vocab(vocab, recipe.shards);
  config.max_position = recipe.sequence;
  config.bos = config.eos = eos;  // documents are separated by EOS, which also begins a text
  model::validate(config);
  return config;
}

}  // namespace spectra::train
