// SPDX-License-Identifier: Apache-2.0
#include <toml++/toml.h>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/hash.h"
#include "train/recipe_text.h"

namespace spectra::train {
namespace {

constexpr double kMaxWeight = 1e18;

/// A TOML value as the text set_key() reads.
std::string scalar_text(const toml::node& node, const std::string& key, const std::string& origin) {
  if (const auto* value = node.as_integer()) return fmt::format("{}", value->get());
  if (const auto* value = node.as_floating_point()) return fmt::format("{}", value->get());
  if (const auto* value = node.as_boolean()) return value->get() ? "true" : "false";
  if (const auto* value = node.as_string()) return value->get();
  throw bad_input(fmt::format("{}: {} is not a single value", origin, key), "give a number, a text or true/false");
}

/// [[data.source]]: path and weight.
void apply_sources(Recipe& recipe, const toml::array& tables, const std::string& where) {
  for (const toml::node& node : tables) {
    const toml::table* table = node.as_table();
    const std::string origin = fmt::format("{}:{}", where, node.source().begin.line);
    if (table == nullptr)
      throw bad_input(fmt::format("{}: data.source is not a table", origin), "write [[data.source]], then path and weight");
    DataSource source;
    for (auto&& [name, value] : *table) {
      const std::string at = fmt::format("{}:{}", where, value.source().begin.line);
      if (name == "path" && value.is_string()) {
        source.path = value.as_string()->get();
      } else if (name == "weight" && value.is_number()) {
        source.weight = *value.value<double>();
        if (!(source.weight > 0 && source.weight <= kMaxWeight))
          throw bad_input(fmt::format("{}: data.source.weight = {} is not allowed", at, source.weight),
                          "allowed: a number above 0, up to 1e18; only ratios matter");
      } else {
        throw bad_input(fmt::format("{}: data.source.{} is unknown or of the wrong type", at, name.str()),
                        "a source has path, a text, and weight, a number");
      }
    }
    if (source.path.empty() || !table->contains("weight"))
      throw bad_input(fmt::format("{}: data.source lacks {}", origin, source.path.empty() ? "path" : "weight"),
                      "every [[data.source]] has a path and a weight");
    recipe.sources.push_back(source);
  }
  recipe.origins["data.source"] = fmt::format("{}:{}", where, tables.source().begin.line);
}

void apply_table(Recipe& recipe, const toml::table& table, const std::string& prefix, const std::string& where) {
  for (auto&& [name, node] : table) {
    const std::string key = prefix + std::string(name.str());
    const std::string origin = fmt::format("{}:{}", where, node.source().begin.line);
    if (const toml::table* inner = node.as_table(); inner != nullptr && prefix.empty()) {
      apply_table(recipe, *inner, key + ".", where);
      continue;
    }
    if (const toml::array* sources = node.as_array(); sources != nullptr && key == "data.source") {
      apply_sources(recipe, *sources, where);
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

std::string origin_of(const Recipe& recipe, const std::string& key) {
  const auto found = recipe.origins.find(key);
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
  const auto line = [&](const std::string& setting, const std::string& origin) {
    text += origins ? fmt::format("{:<36}# {}\n", setting, origin) : setting + "\n";
  };
  for (const Key& key : recipe_keys()) {
    const auto name = split_key(key.name);
    if (key.name == std::string_view("train.tokens"))  // [data] is complete
      for (const DataSource& source : recipe.sources) {
        text += "\n[[data.source]]\n";
        line("path = " + quoted(source.path), origin_of(recipe, "data.source"));
        line(fmt::format("weight = {}", source.weight), origin_of(recipe, "data.source"));
      }
    if (is_unset(recipe, key)) continue;
    if (name.first != section) text += fmt::format("{}[{}]\n", section.empty() ? "" : "\n", name.first);
    section = name.first;
    line(fmt::format("{} = {}", name.second, value_text(recipe, key)), origin_of(recipe, key.name));
  }
  return text;
}

std::string recipe_to_json(const Recipe& recipe) {
  nlohmann::ordered_json json;
  for (const Key& key : recipe_keys()) {
    if (is_unset(recipe, key)) continue;
    json[key.name] = {{"value", nlohmann::ordered_json::parse(value_text(recipe, key))}, {"origin", origin_of(recipe, key.name)}};
  }
  if (recipe.sources.empty()) return json.dump();
  nlohmann::ordered_json sources = nlohmann::ordered_json::array();
  for (const DataSource& source : recipe.sources) sources.push_back({{"path", source.path}, {"weight", source.weight}});
  json["data.source"] = {{"value", sources}, {"origin", origin_of(recipe, "data.source")}};
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
         "\nSeveral data sets are mixed with `[[data.source]]` tables, each with a `path` and a `weight`, instead of `data.path`:\n"
         "[data.md](data.md).\n"
         "\nA run is continued with its own recipe. What does not change the weights may change: " +
         resumable_keys() + ".\n";
}

std::string recipe_sha256(const Recipe& recipe) {
  std::string text;
  for (const Key& key : recipe_keys())
    if (!key.resumable) text += fmt::format("{} = {}\n", key.name, value_text(recipe, key));
  if (recipe.sources.size() > 1) text += fmt::format("data.source = {}\n", mixture_text(recipe));
  return sha256(text);
}

}  // namespace spectra::train
