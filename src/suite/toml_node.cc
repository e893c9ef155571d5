// SPDX-License-Identifier: Apache-2.0
#include "suite/toml_node.h"

#include <toml++/toml.h>

#include <algorithm>
#include <sstream>

#include "base/error.h"
#include "train/recipe_text.h"

namespace spectra::suite {
namespace {

constexpr std::string_view kSet = "--set";

std::string origin_of(const toml::node& node) {
  const std::string path = node.source().path ? *node.source().path : std::string(kSet);
  return path == kSet ? path : fmt::format("{}:{}", path, node.source().begin.line);
}

Node tree_of(const toml::node& value) {
  Node node;
  node.origin = origin_of(value);
  if (const toml::table* table = value.as_table()) {
    for (auto&& [key, entry] : *table) {
      node.list.push_back(tree_of(entry));
      node.list.back().key = std::string(key.str());
    }
  } else if (const toml::array* array = value.as_array()) {
    node.type = Node::Type::kList;
    for (const toml::node& element : *array) node.list.push_back(tree_of(element));
  } else if (const auto* integer = value.as_integer()) {
    node.type = Node::Type::kInteger, node.integer = integer->get(), node.number = static_cast<double>(integer->get());
    node.text = fmt::format("{}", integer->get());
  } else if (const auto* number = value.as_floating_point()) {
    node.type = Node::Type::kNumber, node.number = number->get(), node.text = fmt::format("{}", number->get());
  } else if (const auto* truth = value.as_boolean()) {
    node.type = Node::Type::kTruth, node.text = truth->get() ? "true" : "false";
  } else if (const auto* text = value.as_string()) {
    node.type = Node::Type::kText, node.text = text->get();
  } else {
    node.type = Node::Type::kOther, node.text = "a date or time";
  }
  return node;
}

void apply_setting(toml::table& root, const std::string& setting) {
  const size_t equals = setting.find('=');
  if (equals == std::string::npos || equals == 0)
    throw Error(Exit::kUsage, fmt::format("--set {}: not of the form key=value", setting), "for example --set train.tokens=100000");
  const std::string key = setting.substr(0, equals), value = setting.substr(equals + 1);
  toml::table parsed;
  try {
    parsed = toml::parse("value = " + value, kSet);
  } catch (const toml::parse_error&) {
    parsed = toml::parse("value = " + train::quoted(value), kSet);
  }
  toml::table* table = &root;
  std::istringstream words(key);
  std::string word, last;
  for (std::getline(words, last, '.'); std::getline(words, word, '.'); last = word) {
    if (!table->contains(last)) table->insert(last, toml::table());
    table = table->get(last)->as_table();
    if (table == nullptr)
      throw Error(Exit::kUsage, fmt::format("--set {}: {} is not a table", setting, last), "lists are set as a whole");
  }
  table->insert_or_assign(last, *parsed.get("value"));
}

}  // namespace

Node parse_toml(const std::string& toml, const std::string& where, const std::vector<std::string>& settings) {
  try {
    toml::table root = toml::parse(toml, where);
    for (const std::string& setting : settings) apply_setting(root, setting);
    return tree_of(root);
  } catch (const toml::parse_error& error) {
    throw bad_input(fmt::format("{}:{}: {}", where, error.source().begin.line, error.description()), "a suite is a TOML file");
  }
}

}  // namespace spectra::suite
