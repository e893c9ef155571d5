// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "base/error.h"
#include "base/nearest.h"
#include "suite/toml_node.h"

namespace spectra::suite {
namespace {

std::string shown(const Node& node) {
  if (node.type == Node::Type::kTable) return "{...}";
  if (node.type == Node::Type::kText) return "\"" + node.text + "\"";
  if (node.type != Node::Type::kList) return node.text;
  std::string text;
  for (const Node& element : node.list) text += (text.empty() ? "" : ", ") + shown(element);
  return "[" + text + "]";
}

std::string choice_list(const std::vector<std::string>& choices) {
  return choices.empty() ? "a text" : fmt::format("one of {}", fmt::join(choices, ", "));
}

bool is_choice(const Node& value, const std::vector<std::string>& choices) {
  return value.type == Node::Type::kText && !value.text.empty() &&
         (choices.empty() || std::find(choices.begin(), choices.end(), value.text) != choices.end());
}

/// The elements of a list, or the value itself.
std::vector<Node> elements(const Node& node) { return node.type == Node::Type::kList ? node.list : std::vector<Node>{node}; }

}  // namespace

const Node* Node::find(const std::string& wanted) const {
  const auto found = std::find_if(list.begin(), list.end(), [&](const Node& entry) { return entry.key == wanted; });
  return found == list.end() ? nullptr : &*found;
}

const std::string& Node::single() const {
  if (type == Type::kTable || type == Type::kList || type == Type::kOther)
    throw bad_input(fmt::format("{}: {} is not a single value", origin, shown(*this)), "give a number, a text or true/false");
  return text;
}

void Table::refuse(const std::string& key, const Node& value, const std::string& allowed) const {
  throw bad_input(fmt::format("{}: {} = {} is not allowed", value.origin, full(key), shown(value)), "allowed: " + allowed);
}

const Node* Table::node(const std::string& key) {
  asked_.insert(key);
  return node_.find(key);
}

void Table::take(const std::string& key, std::string& value, const std::vector<std::string>& choices) {
  const Node* found = node(key);
  if (found == nullptr) return;
  if (!is_choice(*found, choices)) refuse(key, *found, choice_list(choices));
  value = found->text;
}

void Table::take(const std::string& key, int64_t& value, int64_t least, int64_t most) {
  const Node* found = node(key);
  if (found == nullptr) return;
  if (found->type != Node::Type::kInteger || found->integer < least || found->integer > most)
    refuse(key, *found, fmt::format("a whole number from {} to {}", least, most));
  value = found->integer;
}

void Table::take(const std::string& key, double& value, double least, double most) {
  const Node* found = node(key);
  if (found == nullptr) return;
  const bool is_number = found->type == Node::Type::kNumber || found->type == Node::Type::kInteger;
  if (!is_number || !(found->number >= least && found->number <= most))
    refuse(key, *found, fmt::format("a number from {} to {}", least, most));
  value = found->number;
}

void Table::take(const std::string& key, bool& value) {
  const Node* found = node(key);
  if (found == nullptr) return;
  if (found->type != Node::Type::kTruth) refuse(key, *found, "true or false");
  value = found->text == "true";
}

void Table::take(const std::string& key, std::vector<std::string>& values, const std::vector<std::string>& choices) {
  const Node* found = node(key);
  if (found == nullptr) return;
  values.clear();
  for (const Node& element : elements(*found)) {
    if (!is_choice(element, choices)) refuse(key, element, choice_list(choices));
    if (std::find(values.begin(), values.end(), element.text) != values.end()) refuse(key, element, "each one once");
    values.push_back(element.text);
  }
}

void Table::take(const std::string& key, std::vector<int64_t>& values, int64_t least, int64_t most) {
  const Node* found = node(key);
  if (found == nullptr) return;
  values.clear();
  for (const Node& element : elements(*found)) {
    if (element.type != Node::Type::kInteger || element.integer < least || element.integer > most)
      refuse(key, element, fmt::format("a whole number from {} to {}", least, most));
    if (std::find(values.begin(), values.end(), element.integer) != values.end()) refuse(key, element, "each one once");
    values.push_back(element.integer);
  }
}

const Node* Table::table(const std::string& key) {
  const Node* found = node(key);
  if (found != nullptr && found->type != Node::Type::kTable)
    refuse(key, *found, fmt::format("a table: write [{}], then its keys", full(key)));
  return found;
}

std::vector<Node> Table::tables(const std::string& key) {
  const Node* found = node(key);
  if (found == nullptr) return {};
  const auto is_table = [](const Node& element) { return element.type == Node::Type::kTable; };
  if (found->type != Node::Type::kList || !std::all_of(found->list.begin(), found->list.end(), is_table))
    refuse(key, *found, fmt::format("tables: write [[{}]], then the keys of one", full(key)));
  return found->list;
}

void Table::finish() const {
  for (const Node& value : node_.list) {
    const std::string& key = value.key;
    if (asked_.count(key) != 0) continue;
    const std::vector<std::string> known(asked_.begin(), asked_.end());
    const std::string near = nearest(key, known);
    throw bad_input(
        fmt::format("{}: unknown key {}", value.origin, full(key)),
        near.empty() ? fmt::format("known here: {}", fmt::join(known, ", ")) : fmt::format("did you mean {}?", full(near)));
  }
}

}  // namespace spectra::suite
