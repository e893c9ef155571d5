// SPDX-License-Identifier: Apache-2.0
#include <toml++/toml.h>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/hash.h"
#include "train/recipe_text.h"

namespace spectra::train {
namespace {

/// A TOML value as the text set_key() reads.
std::string scalar_text(const toml::node& node, const std::string& key, const std::string& origin) {
  if (const auto* value = node.as_integer()) return fmt::format("{}", value->get());
  if (const auto* value = node.as_floating_point()) return fmt::format("{}", value->get());
  if (const auto* value = node.as_boolean()) return value->get() ? "true" : "false";
  if (const auto* value = node.as_string()) return value->get();
  throw bad_input(fmt::format("{}: {} is not a single value", origin, key), "give a number, a text or true/false");
}

void apply_table(Recipe& recipe, const toml::table& table, const std::string& prefix, const std::string& where) {
  for (auto&& [name, node] : table) {
    const std::string key = prefix + std::string(name.str());
    const std::string origin = fmt::format("{}:{}", where, node.source().begin.line);
    if (const toml::table* inner = node.as_table(); inner != nullptr && prefix.empty()) {
      apply_table(recipe, *inner, key + ".", where);
      continue;
    }
    find_key(key, origin);
    set_key(recipe, key, scalar_text(node, key, origin), origin);
  }
}

/// "model.family" -> {"model", "family"}.
std::pair<std::string, std::string> split_key(const std::string& key) {
  const size_t dot = key.find('.');
  return {key.substr(0, dot), key.substr(dot + 1)};
}

/// An unset text (model.size of a custom model) has no value to write.
bool is_unset(const Recipe& recipe, const Key& key) { return value_text(recipe, key) == "\"\""; }

std::string origin_of(const Recipe& recipe, const Key& key) {
  const auto found = recipe.origins.find(key.name);
  return found == recipe.origins.end() ? "default" : found->second;
}

}  // namespace

void apply_toml(Recipe& recipe, const std::string& toml, const std::string& where) {
  toml::table table;
  try {
    table = toml::parse(toml);
  } catch (const toml::parse_error& error) {
    throw bad_input(fmt::format("{}:{}: {}", where, error.source().begin.line, error.description()), "a recipe is a TOML file");
  }
  apply_table(recipe, table, "", where);
}

std::string recipe_to_toml(const Recipe& recipe, bool origins) {
  std::string text, section;
  for (const Key& key : recipe_keys()) {
    if (is_unset(recipe, key)) continue;
    const auto name = split_key(key.name);
    if (name.first != section) text += fmt::format("{}[{}]\n", section.empty() ? "" : "\n", name.first);
    section = name.first;
    const std::string line = fmt::format("{} = {}", name.second, value_text(recipe, key));
    text += origins ? fmt::format("{:<36}# {}\n", line, origin_of(recipe, key)) : line + "\n";
  }
  return text;
}

std::string recipe_to_json(const Recipe& recipe) {
  nlohmann::ordered_json json;
  for (const Key& key : recipe_keys()) {
    if (is_unset(recipe, key)) continue;
    json[key.name] = {{"value", nlohmann::ordered_json::parse(value_text(recipe, key))}, {"origin", origin_of(recipe, key)}};
  }
  return json.dump();
}

std::string recipe_reference() {
  std::string text =
      "# Recipe\n\n"
      "The TOML file that `spectra train` reads. Defaults are overridden by the recipe, that by `SPECTRA_SECTION__KEY` variables, "
      "those by\n"
      "`--set section.key=value`; `--print-config` shows each value and where it came from. An unknown key is an error. Numbers "
      "may be\n"
      "written with underscores. This page is made from the table in `src/train/recipe_keys.cc`.\n\n"
      "| key | default | allowed | meaning |\n|---|---|---|---|\n";
  for (const Key& key : recipe_keys()) {
    const std::string fallback = *key.fallback == '\0' ? "must be given" : key.fallback;
    text += fmt::format("| `{}` | {} | {} | {} |\n", key.name, fallback, allowed(key), key.help);
  }
  return text +
         "\nA run is continued with its own recipe: only `data.path` (for the same data elsewhere), `train.recompute`, "
         "`faults.*`,\n`checkpoint.*` and `validation.*` may change.\n";
}

std::string recipe_sha256(const Recipe& recipe) {
  std::string text;
  for (const Key& key : recipe_keys())
    if (!key.resumable) text += fmt::format("{} = {}\n", key.name, value_text(recipe, key));
  return sha256(text);
}

}  // namespace spectra::train
