// SPDX-License-Identifier: Apache-2.0
#include "train/recipe.h"

#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>
#include <cstdlib>

#include "base/error.h"
#include "train/recipe_text.h"

namespace spectra::train {
namespace {

std::string upper(std::string text) {
  for (char& c : text) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return text;
}

std::string section_of(const std::string& key) { return key.substr(0, key.find('.')); }

/// "train.seed" -> "SPECTRA_TRAIN__SEED".
std::string variable_name(const std::string& key) {
  const size_t dot = key.find('.');
  return "SPECTRA_" + upper(key.substr(0, dot)) + "__" + upper(key.substr(dot + 1));
}

/// Every SPECTRA_SECTION__KEY variable of a recipe's section must be a known key: an override that cannot be honoured is an error.
void apply_environment(Recipe& recipe) {
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string text = *entry, name = text.substr(0, text.find('='));
    if (name.rfind("SPECTRA_", 0) != 0 || name.find("__") == std::string::npos) continue;
    bool section_known = false;
    for (const Key& key : recipe_keys()) {
      section_known = section_known || name.rfind("SPECTRA_" + upper(section_of(key.name)) + "__", 0) == 0;
      if (variable_name(key.name) == name) set_key(recipe, key.name, text.substr(name.size() + 1), name);
    }
    if (!section_known) continue;  // another command's
    std::string as_key = name.substr(8);
    const size_t dot = as_key.find("__");
    as_key = as_key.substr(0, dot) + "." + as_key.substr(dot + 2);
    for (char& c : as_key) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    find_key(as_key, "environment variable " + name);
  }
}

void apply_settings(Recipe& recipe, const std::vector<std::string>& settings) {
  for (const std::string& setting : settings) {
    const size_t equals = setting.find('=');
    if (equals == std::string::npos || equals == 0)
      throw Error(Exit::kUsage, fmt::format("--set {}: not of the form section.key=value", setting),
                  "for example --set train.seed=2");
    set_key(recipe, setting.substr(0, equals), setting.substr(equals + 1), "--set");
  }
}

void require_given(const Recipe& recipe, const std::string& where) {
  if (!recipe.data.empty() && !recipe.sources.empty())
    throw bad_input(fmt::format("{}: data.path ({}) and [[data.source]] ({}) are both given", where, recipe.origins.at("data.path"),
                                recipe.origins.at("data.source")),
                    "give one data set as data.path, or several as [[data.source]]");
  for (const char* key : {"model.family", "data.path", "train.tokens"})
    if (recipe.origins.count(key) == 0 && (recipe.sources.empty() || std::string_view(key) != "data.path"))
      throw bad_input(fmt::format("{}: {} is missing", where, key), fmt::format("every recipe gives it; see --help"));
  if (!recipe.size.empty()) return;
  for (const char* key : {"model.hidden", "model.glu", "model.heads", "model.layers"})
    if (recipe.origins.count(key) == 0)
      throw bad_input(fmt::format("{}: {} is missing", where, key),
                      "give model.size (a row of the paper's table), or model.hidden, glu, heads and layers");
}

/// Dimensions beside a size may only repeat it, as a resolved recipe does.
void check_size(const Recipe& recipe, const std::string& where) {
  if (recipe.size.empty()) return;
  const model::Size& size = model::size_from_name(recipe.size);
  const auto check = [&](const char* key, int64_t value, int64_t wanted) {
    if (value != wanted)
      throw bad_input(
          fmt::format("{}: model.{} = {} contradicts model.size = \"{}\", where it is {}", where, key, value, recipe.size, wanted),
          "give either the size or the dimensions");
  };
  check("hidden", recipe.hidden, size.hidden);
  check("glu", recipe.glu, size.glu);
  check("heads", recipe.heads, size.heads);
  check("layers", recipe.layers, size.layers);
}

void check_batches(const Recipe& recipe, const std::string& where) {
  if (recipe.batch_tokens % recipe.sequence != 0)
    throw bad_input(
        fmt::format("{}: train.batch_tokens = {} is not a multiple of train.sequence = {}", where, recipe.batch_tokens,
                    recipe.sequence),
        fmt::format("the nearest that is: {}",
                    std::max<int64_t>(1, (recipe.batch_tokens + recipe.sequence / 2) / recipe.sequence) * recipe.sequence));
  if (recipe.batch_sequences() % recipe.micro_batch != 0)
    throw bad_input(fmt::format("{}: train.micro_batch = {} does not divide the {} sequences of a batch", where, recipe.micro_batch,
                                recipe.batch_sequences()),
                    "a step is a whole number of micro-batches");
  const int64_t groups = recipe.reduction_groups;
  if ((groups & (groups - 1)) != 0 || (groups > 0 && recipe.batch_sequences() % (groups * recipe.micro_batch) != 0))
    throw bad_input(fmt::format("{}: train.reduction_groups = {} does not cut the {} sequences of a batch into micro-batches of {}",
                                where, groups, recipe.batch_sequences(), recipe.micro_batch),
                    "give a power of two; groups times train.micro_batch divides train.batch_tokens / train.sequence");
  for (const double scale : {recipe.loss_scale_initial, recipe.loss_scale_min})
    if (std::exp2(std::round(std::log2(scale))) != scale)
      throw bad_input(fmt::format("{}: loss scale {} is not a power of two", where, scale), "others would round the gradients");
  if (recipe.loss_scale_min > recipe.loss_scale_initial)
    throw bad_input(fmt::format("{}: loss_scale.min = {} is above loss_scale.initial = {}", where, recipe.loss_scale_min,
                                recipe.loss_scale_initial),
                    "the scale could never fall");
  if (recipe.warmup_tokens() > recipe.tokens)
    throw bad_input(
        fmt::format("{}: schedule.warmup = {} is longer than the run of {} tokens", where, recipe.warmup, recipe.tokens),
        "give fewer tokens, or a percentage such as \"1%\"");
}

void resolve(Recipe& recipe, const std::string& where) {
  require_given(recipe, where);
  apply_defaults(recipe);
  check_size(recipe, where);
  check_batches(recipe, where);
  model_config(recipe, 1, 0);  // dimensions that do not fit together are refused before any data is read
}

}  // namespace

int64_t Recipe::warmup_tokens() const { return parse_span(warmup, tokens, "schedule.warmup", "recipe"); }

Recipe parse_recipe(const std::string& toml, const std::string& where, const std::vector<std::string>& settings) {
  Recipe recipe;
  apply_toml(recipe, toml, where);
  apply_settings(recipe, settings);
  resolve(recipe, where);
  return recipe;
}

Recipe load_recipe(const fs::path& path, const std::vector<std::string>& settings) {
  Recipe recipe;
  apply_toml(recipe, read_file(path, 1 << 20), path.string());
  apply_environment(recipe);
  apply_settings(recipe, settings);
  resolve(recipe, path.string());
  return recipe;
}

Recipe make_recipe(const std::vector<Setting>& settings, const std::string& where) {
  Recipe recipe;
  for (const Setting& setting : settings) set_key(recipe, setting.key, setting.value, setting.origin);
  resolve(recipe, where);
  return recipe;
}

std::vector<DataSource> Recipe::data_sources() const { return sources.empty() ? std::vector<DataSource>{{data, 1}} : sources; }

std::string resumable_keys() {
  std::string list = "the paths of [[data.source]]";
  for (const Key& key : recipe_keys())
    if (key.resumable) list += fmt::format(", {}", key.name);
  return list;
}

std::vector<std::string> recipe_differences(const Recipe& now, const Recipe& before) {
  std::vector<std::string> differences;
  for (const Key& key : recipe_keys()) {
    const std::string value = value_text(now, key), old = value_text(before, key);
    if (!key.resumable && value != old) differences.push_back(fmt::format("{} ({}, was {})", key.name, value, old));
  }
  if (const std::string shares = mixture_text(now), old = mixture_text(before); shares != old)
    differences.push_back(fmt::format("data.source (shares {}, was {})", shares, old));
  return differences;
}

}  // namespace spectra::train
