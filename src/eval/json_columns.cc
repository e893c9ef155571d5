// SPDX-License-Identifier: Apache-2.0
#include "eval/json_columns.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/error.h"

namespace spectra::eval {
namespace {

using Json = nlohmann::ordered_json;

/// "a.b|strip" -> a, b
Texts steps_of(const std::string& path) {
  const std::string keys = path.substr(0, path.find('|'));
  Texts steps;
  for (size_t begin = 0, dot; begin <= keys.size(); begin = dot + 1) {
    dot = std::min(keys.find('.', begin), keys.size());
    steps.push_back(keys.substr(begin, dot - begin));
  }
  return steps;
}

[[noreturn]] void missing(const std::string& source, const std::string& where) {
  throw bad_input(fmt::format("{}: no \"{}\"", where, source), "every record of the file must have it");
}

/// False where the way ends: what `value` holds is not what the next step needs.
bool follow(const Json& value, const Texts& steps, size_t at, std::vector<const Json*>& found, Texts& keys, bool& list) {
  if (at == steps.size()) {
    if (value.is_null()) return false;
    found.push_back(&value);
    return true;
  }
  std::string step = steps[at];
  if (step == "@keys" || step == "@values") {
    if (!value.is_object()) return false;
    list = true;
    for (const auto& item : value.items()) {
      if (step == "@keys")
        keys.push_back(item.key());
      else
        found.push_back(&item.value());
    }
    return true;
  }
  const bool each = step.size() > 2 && step.compare(step.size() - 2, 2, "[]") == 0;
  if (each) step.resize(step.size() - 2);
  const Json* entry = nullptr;
  if (value.is_object() && value.contains(step)) entry = &value[step];
  if (value.is_array() && step.size() == 1 && step[0] >= '0' && step[0] <= '9' && static_cast<size_t>(step[0] - '0') < value.size())
    entry = &value[static_cast<size_t>(step[0] - '0')];
  if (entry == nullptr) return false;
  if (!each) return follow(*entry, steps, at + 1, found, keys, list);
  if (!entry->is_array()) return false;
  list = true;
  return std::all_of(entry->begin(), entry->end(),
                     [&](const Json& element) { return follow(element, steps, at + 1, found, keys, list); });
}

/// Lists and objects by kind alone: they may be nested deeper than dump() can follow.
std::string shown(const Json& value) {
  if (value.is_structured()) return std::string("a JSON ") + value.type_name();
  const std::string text = value.dump(-1, ' ', true, Json::error_handler_t::replace);
  return text.size() > 60 ? text.substr(0, 57) + "..." : text;
}

std::string text_of(const Json& value, const std::string& path, const std::string& where) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_number_integer()) return fmt::format("{}", value.get<int64_t>());
  if (value.is_number()) return fmt::format("{}", value.get<double>());
  if (value.is_boolean()) return value.get<bool>() ? "true" : "false";
  throw bad_input(fmt::format("{}: \"{}\" is {}", where, path, shown(value)),
                  "expected a text, a number, true or false, or a list");
}

Value value_at(const std::string& source, const Json& object, const std::string& file, const std::string& where) {
  if (source == "@file") return file;
  std::vector<const Json*> found;
  Texts texts;
  bool list = false;
  if (!follow(object, steps_of(source), 0, found, texts, list)) missing(source, where);
  if (!list && found.size() == 1 && found[0]->is_array()) {
    list = true;
    for (const Json& element : *found[0]) texts.push_back(text_of(element, source, where));
  } else {
    for (const Json* value : found) texts.push_back(text_of(*value, source, where));
  }
  const std::vector<const NamedFilter*> filters = parse_filters(source, where);
  for (std::string& text : texts) text = apply_filters(filters, text, where);
  return list ? Value(std::move(texts)) : Value(std::move(texts[0]));
}

}  // namespace

void check_columns(const Columns& columns, const Json& object, const std::string& where) {
  for (const auto& field : columns.paths)
    for (const std::string& source : field.second) {
      std::vector<const Json*> found;
      Texts keys;
      bool list = false;
      if (source != "@file" && !follow(object, steps_of(source), 0, found, keys, list)) missing(source, where);
    }
}

void take_columns(const Columns& columns, const Json& object, const std::string& file, Record& record) {
  for (const auto& [field, sources] : columns.paths) {
    if (sources.size() == 1) {
      record.fields[field] = value_at(sources[0], object, file, record.where);
      continue;
    }
    Texts list;
    for (const std::string& source : sources) {
      const Value value = value_at(source, object, file, record.where);
      if (const Texts* several = std::get_if<Texts>(&value))
        list.insert(list.end(), several->begin(), several->end());
      else
        list.push_back(std::get<std::string>(value));
    }
    record.fields[field] = std::move(list);
  }
}

}  // namespace spectra::eval
