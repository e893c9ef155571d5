// SPDX-License-Identifier: Apache-2.0
#include "text/json_field.h"

#include <nlohmann/json.hpp>

#include "base/error.h"

namespace spectra::text {

using nlohmann::json;

void JsonField::fail(const std::string& expected) const {
  std::string found = value_->dump(-1, ' ', true, json::error_handler_t::replace);
  if (found.size() > 60) found = found.substr(0, 57) + "...";
  throw bad_input(fmt::format("{}: expected {}, found {}", path_, expected, found));
}

bool JsonField::has(const char* key) const {
  if (!value_->is_object()) return false;
  const auto entry = value_->find(key);
  return entry != value_->end() && !entry->is_null();
}

JsonField JsonField::operator[](const char* key) const {
  if (!value_->is_object()) fail("an object");
  const auto entry = value_->find(key);
  if (entry == value_->end()) throw bad_input(fmt::format("{}: the key \"{}\" is missing", path_, key));
  return {*entry, fmt::format("{}.{}", path_, key)};
}

bool JsonField::is_string() const { return value_->is_string(); }
bool JsonField::is_array() const { return value_->is_array(); }

std::string JsonField::text() const {
  if (!value_->is_string()) fail("a string");
  return value_->get<std::string>();
}

int64_t JsonField::integer() const {
  if (!value_->is_number_integer()) fail("an integer");
  return value_->get<int64_t>();
}

bool JsonField::flag(const char* key, bool otherwise) const {
  if (!has(key)) return otherwise;
  const JsonField field = (*this)[key];
  if (!field.json().is_boolean()) field.fail("true or false");
  return field.json().get<bool>();
}

JsonField JsonField::item(size_t i) const { return {(*value_)[i], fmt::format("{}[{}]", path_, i)}; }

std::vector<JsonField> JsonField::items() const {
  if (!value_->is_array()) fail("a list");
  std::vector<JsonField> result;
  result.reserve(value_->size());
  for (size_t i = 0; i < value_->size(); ++i) result.push_back(item(i));
  return result;
}

}  // namespace spectra::text
