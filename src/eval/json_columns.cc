// SPDX-License-Identifier: Apache-2.0
#include "eval/json_columns.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/error.h"

namespace spectra::eval {
namespace {

using Json = nlohmann::ordered_json;

struct Path {
  Texts steps;
  std::vector<const NamedFilter*> filters;
};

Path parse_path(const std::string& text) {
  Path path;
  size_t bar = text.find('|');
  const std::string keys = text.substr(0, bar);
  for (size_t begin = 0, dot; begin <= keys.size(); begin = dot + 1) {
    dot = std::min(keys.find('.', begin), keys.size());
    path.steps.push_back(keys.substr(begin, dot - begin));
  }
  while (bar != std::string::npos) {
    const size_t next = text.find('|', bar + 1);
    const std::string name = text.substr(bar + 1, next == std::string::npos ? next : next - bar - 1);
    const NamedFilter* filter = find_filter(name);
    if (filter == nullptr) throw bad_input(fmt::format("unknown filter {} in the path \"{}\"", name, text));
    path.filters.push_back(filter);
    bar = next;
  }
  return path;
}

/// Null where the way ends: what `value` holds is not what the next step needs.
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

std::string shown(const Json& value) {
  std::string text = value.dump(-1, ' ', true, Json::error_handler_t::replace);
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
  const Path path = parse_path(source);
  std::vector<const Json*> found;
  Texts texts;
  bool list = false;
  if (!follow(object, path.steps, 0, found, texts, list))
    throw bad_input(fmt::format("{}: no \"{}\" in {}", where, source, shown(object)), "every record of the file must have it");
  if (!list && found.size() == 1 && found[0]->is_array()) {
    list = true;
    for (const Json& element : *found[0]) texts.push_back(text_of(element, source, where));
  } else {
    for (const Json* value : found) texts.push_back(text_of(*value, source, where));
  }
  for (std::string& text : texts)
    for (const NamedFilter* filter : path.filters) text = filter->apply(text);
  return list ? Value(std::move(texts)) : Value(std::move(texts[0]));
}

}  // namespace

bool has_columns(const Columns& columns, const Json& object) {
  return std::all_of(columns.paths.begin(), columns.paths.end(), [&](const auto& field) {
    return std::all_of(field.second.begin(), field.second.end(), [&](const std::string& source) {
      std::vector<const Json*> found;
      Texts keys;
      bool list = false;
      return source == "@file" || follow(object, parse_path(source).steps, 0, found, keys, list);
    });
  });
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
