// SPDX-License-Identifier: Apache-2.0
#include "train/recipe_text.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "base/error.h"
#include "base/nearest.h"
#include "train/mixture.h"

namespace spectra::train {
namespace {

/// The nearest key by its whole name or, where the section is wrong ("model.lr"), by the part after the dot; else the section's
/// keys.
std::string suggestion(const std::string& name) {
  std::vector<std::string> names, last_parts;
  std::string section;
  for (const Key& key : recipe_keys()) {
    const std::string full = key.name;
    names.push_back(full);
    last_parts.push_back(full.substr(full.find('.') + 1));
    if (full.substr(0, full.find('.')) == name.substr(0, name.find('.'))) section += (section.empty() ? "" : ", ") + full;
  }
  const std::string last = name.substr(name.find('.') + 1), whole = nearest(name, names);
  const bool elsewhere = std::find(last_parts.begin(), last_parts.end(), last) != last_parts.end();
  if (!whole.empty() && !elsewhere) return fmt::format("did you mean {}?", whole);
  const std::string part = nearest(last, last_parts);
  for (size_t i = 0; i < names.size() && !part.empty(); ++i)
    if (last_parts[i] == part) return fmt::format("did you mean {}?", names[i]);
  return section.empty() ? "sections: model, data, train, schedule, optimizer, loss_scale, faults, checkpoint, log, validation"
                         : "known here: " + section;
}

std::string without_underscores(std::string text) {
  text.erase(std::remove(text.begin(), text.end(), '_'), text.end());
  return text;
}

bool parse_double(const std::string& text, double& value) {
  const std::string plain = without_underscores(text);
  const auto [end, error] = std::from_chars(plain.data(), plain.data() + plain.size(), value);
  return error == std::errc() && end == plain.data() + plain.size() && !plain.empty() && std::isfinite(value);
}

/// Whole numbers, also as 6e6.
bool parse_count(const std::string& text, int64_t& value) {
  const std::string plain = without_underscores(text);
  const auto [end, error] = std::from_chars(plain.data(), plain.data() + plain.size(), value);
  if (error == std::errc() && end == plain.data() + plain.size() && !plain.empty()) return true;
  double number = 0;
  if (!parse_double(plain, number) || std::abs(number) > 0x1p53 || number != std::floor(number)) return false;
  value = static_cast<int64_t>(number);
  return true;
}

std::string number_text(double value) {
  return std::abs(value) < 1e15 && value == std::floor(value) ? fmt::format("{:.0f}", value) : fmt::format("{}", value);
}

[[noreturn]] void refuse(const Key& key, const std::string& text, const std::string& origin) {
  throw bad_input(fmt::format("{}: {} = {} is not allowed", origin, key.name, text),
                  fmt::format("allowed: {} ({})", allowed(key), key.help));
}

/// Assigns `text` to the field of its type; false where it does not fit.
struct Assign {
  Recipe& recipe;
  const Key& key;
  const std::string& text;
  bool operator()(int64_t Recipe::*field) const {
    int64_t value = 0;
    if (!parse_count(text, value) || static_cast<double>(value) < key.min || static_cast<double>(value) > key.max) return false;
    recipe.*field = value;
    return true;
  }
  bool operator()(double Recipe::*field) const {
    double value = 0;
    if (!parse_double(text, value) || value < key.min || value > key.max) return false;
    recipe.*field = value;
    return true;
  }
  bool operator()(bool Recipe::*field) const {
    if (text != "true" && text != "false") return false;
    recipe.*field = text == "true";
    return true;
  }
  bool operator()(std::string Recipe::*field) const {
    const auto same = [&](const char* choice) { return text == choice; };
    if (!key.choices.empty() && std::none_of(key.choices.begin(), key.choices.end(), same)) return false;
    recipe.*field = text;
    return true;
  }
};

struct Show {
  const Recipe& recipe;
  std::string operator()(int64_t Recipe::*field) const { return fmt::format("{}", recipe.*field); }
  std::string operator()(double Recipe::*field) const { return fmt::format("{}", recipe.*field); }
  std::string operator()(bool Recipe::*field) const { return recipe.*field ? "true" : "false"; }
  std::string operator()(std::string Recipe::*field) const { return quoted(recipe.*field); }
};

}  // namespace

std::string quoted(const std::string& text) {
  std::string result = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') result += '\\';
    result += c;
  }
  return result + "\"";
}

std::string mixture_text(const Recipe& recipe) {
  std::vector<double> weights;
  for (const DataSource& source : recipe.data_sources()) weights.push_back(source.weight);
  std::string text;
  const Mixture mixture(weights);
  for (const uint64_t share : mixture.shares())
    text += fmt::format("{}{}", text.empty() ? "" : ", ", static_cast<double>(share) * 0x1p-32);
  return text;
}

std::string allowed(const Key& key) {
  if (!key.choices.empty()) {
    std::string list;
    for (const char* choice : key.choices) list += (list.empty() ? "" : ", ") + std::string(choice);
    return "one of " + list;
  }
  if (std::holds_alternative<bool Recipe::*>(key.field)) return "true or false";
  if (std::holds_alternative<std::string Recipe::*>(key.field)) return "a text";
  const std::string kind = std::holds_alternative<int64_t Recipe::*>(key.field) ? "a whole number" : "a number";
  return fmt::format("{} from {} to {}", kind, number_text(key.min), number_text(key.max));
}

const Key& find_key(const std::string& name, const std::string& origin) {
  for (const Key& key : recipe_keys())
    if (name == key.name) return key;
  throw bad_input(fmt::format("{}: unknown key {}", origin, name), suggestion(name));
}

void set_key(Recipe& recipe, const std::string& name, const std::string& text, const std::string& origin) {
  const Key& key = find_key(name, origin);
  if (name == "schedule.warmup") parse_span(text, 1, name, origin);
  if (name == "model.size") model::size_from_name(text);
  if (!std::visit(Assign{recipe, key, text}, key.field)) refuse(key, text, origin);
  recipe.origins[name] = origin;
}

int64_t parse_span(const std::string& text, int64_t total, const std::string& key, const std::string& origin) {
  int64_t count = 0;
  if (parse_count(text, count) && count >= 0) return count;
  double percent = 0;
  if (!text.empty() && text.back() == '%' && parse_double(text.substr(0, text.size() - 1), percent) && percent >= 0 &&
      percent <= 100)
    return std::llround(static_cast<double>(total) * percent / 100.0);
  throw bad_input(fmt::format("{}: {} = {} is not allowed", origin, key, text),
                  "allowed: a number of tokens, or \"0%\" to \"100%\"");
}

std::string value_text(const Recipe& recipe, const Key& key) { return std::visit(Show{recipe}, key.field); }

}  // namespace spectra::train
