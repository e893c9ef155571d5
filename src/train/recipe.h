// SPDX-License-Identifier: Apache-2.0
#pragma once
// What a training run does, as data. One table, recipe_keys(), names every setting with its default, range and meaning; parsing,
// --print-config, the recipe.toml kept in the run and the documentation all read it. A value comes from, in rising order:
// defaults, the recipe file, SPECTRA_SECTION__KEY variables, --set section.key=value.
#include <cstdint>
#include <map>
#include <string>
#include <variant>
#include <vector>

#include "base/file.h"
#include "model/config.h"

namespace spectra::train {

/// One part of a mixture: sequences are drawn in proportion to the weights.
struct DataSource {
  std::string path;
  double weight = 1;
};

struct Recipe {
  // [model]: a row of the paper's table, or dimensions
  std::string size;
  std::string family;  ///< float | ternary | binary
  int64_t hidden = 0, glu = 0, heads = 0, kv_heads = 0, layers = 0;
  int64_t shards = 1;
  bool tied = false;
  // [data]
  std::string data;                 ///< directory written by `prepare`, or another format; empty with `sources`
  std::vector<DataSource> sources;  ///< [[data.source]]; instead of `data`
  std::string valid_data, tokenizer;
  bool mask_documents = false;
  // [train]
  int64_t tokens = 0;        ///< whole run; schedules end here
  int64_t batch_tokens = 0;  ///< one optimizer step
  int64_t sequence = 0;      ///< T
  int64_t seed = 1;
  std::string device = "auto";
  std::string precision = "auto";
  int64_t micro_batch = 0;  ///< sequences of one forward and backward pass
  std::string recompute = "none";
  int64_t reduction_groups = 0;  ///< gradients are summed in so many groups, whatever the ranks; 0 = one a rank
  // [schedule]
  double lr = 0, lr_second = 0, lr_min = 0;
  std::string warmup = "1%";  ///< tokens, or a percentage of train.tokens
  std::string decay = "linear";
  double lr_drop_at = 0.5, decay_off_at = 0.667;
  // [optimizer]
  double beta1 = 0.9, beta2 = 0.95, eps = 1e-8, weight_decay = 0.1, clip = 1.0;
  // [loss_scale]: fp16 only
  double loss_scale_initial = 65536, loss_scale_min = 1;
  int64_t loss_scale_window = 1000;  ///< steps without overflow before it doubles
  // [faults]
  double loss_z = 0, grad_norm_z = 0;  ///< standard deviations above which a batch is skipped; 0 = off
  int64_t faults_window = 128;         ///< batches they are taken over
  int64_t rewind_after = 5;            ///< skipped batches in a row; 0 = never
  // [checkpoint]
  int64_t checkpoint_every = 500, keep = 2, keep_every = 0;
  bool log_spaced = false, pack = true;
  // [log]
  int64_t layers_every = 50;
  // [validation]
  int64_t validation_every = 250, validation_tokens = 200'000;

  /// Where each setting that is not a default came from: "run.toml:7", "SPECTRA_TRAIN__SEED", "--set".
  std::map<std::string, std::string> origins;

  int64_t batch_sequences() const { return batch_tokens / sequence; }
  int64_t steps() const { return (tokens + batch_tokens - 1) / batch_tokens; }
  int64_t warmup_tokens() const;
  /// `sources`, or `data` alone.
  std::vector<DataSource> data_sources() const;
};

/// One setting.
struct Key {
  using Field = std::variant<int64_t Recipe::*, double Recipe::*, bool Recipe::*, std::string Recipe::*>;
  const char* name;  ///< "train.batch_tokens"
  Field field;
  const char* fallback;  ///< the default in words, for documentation; "" = must be given
  const char* help;
  double min = 0, max = 0;                ///< numbers: allowed range, both ends included
  std::vector<const char*> choices = {};  ///< texts: allowed values; empty = any
  bool resumable = false;  ///< may differ when a run is resumed: not part of what the weights are a function of, or meant to be
                           ///< turned in trouble
};
const std::vector<Key>& recipe_keys();

/// Reads `path`, then the environment, then `settings` ("section.key=value"), fills in the defaults and checks everything.
/// Throws Error (exit 3) naming place, key, value seen, what is allowed, and for an unknown key the nearest known one.
Recipe load_recipe(const fs::path& path, const std::vector<std::string>& settings = {});
/// The same from a text; `where` stands for the file in messages. Does not look at the environment.
Recipe parse_recipe(const std::string& toml, const std::string& where, const std::vector<std::string>& settings = {});

/// A value and where it was written.
struct Setting {
  std::string key, value, origin;
};
/// The same from settings, of which later ones win, as `spectra suite` makes recipes of its file.
Recipe make_recipe(const std::vector<Setting>& settings, const std::string& where);

/// A recipe file with every value; `origins`: each followed by a comment that says where it came from.
std::string recipe_to_toml(const Recipe& recipe, bool origins = false);
/// {"train.seed": {"value": 1, "origin": "default"}, ...}
std::string recipe_to_json(const Recipe& recipe);
/// docs/recipe.md: every key with its default, range and meaning.
std::string recipe_reference();
/// Of everything that decides the weights (not the checkpoint and validation settings, nor where the data lies).
std::string recipe_sha256(const Recipe& recipe);
/// "data.path, checkpoint.every, ...": keys that may differ when a run is resumed, and the paths of sources.
std::string resumable_keys();
/// Names of the keys that decide the weights and differ: "train.seed (1, was 2)". Empty = the same training.
std::vector<std::string> recipe_differences(const Recipe& now, const Recipe& before);

/// The model the recipe describes, for a tokenizer with `vocab` entries. Positions end at train.sequence. Throws Error where
/// dimensions do not fit together.
model::Config model_config(const Recipe& recipe, int64_t vocab, int32_t eos);

/// Fills in what was not given, by family and size; see recipe_defaults.cc.
void apply_defaults(Recipe& recipe);

}  // namespace spectra::train
