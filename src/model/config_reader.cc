// SPDX-License-Identifier: Apache-2.0
#include "model/config_reader.h"

#include <nlohmann/json.hpp>
#include <utility>

namespace spectra::model {

using nlohmann::json;

ConfigReader::ConfigReader(const json& document, const std::string& where, std::string prefix)
    : document_(document), where_(where), prefix_(std::move(prefix)) {}

const json* ConfigReader::find(const char* key) const {
  const auto found = document_.find(key);
  return found == document_.end() || found->is_null() ? nullptr : &*found;
}

int64_t ConfigReader::integer(const char* key, int64_t absent, int64_t low, int64_t high) const {
  const json* value = find(key);
  if (value == nullptr) return absent;
  if (!value->is_number_integer() || (value->is_number_unsigned() && value->get<uint64_t>() > INT64_MAX) ||
      value->get<int64_t>() < low || value->get<int64_t>() > high)
    throw refuse(key, *value, fmt::format("allowed are whole numbers from {} to {}", low, high));
  return value->get<int64_t>();
}

int64_t ConfigReader::dimension(const char* key) const {
  if (find(key) == nullptr) throw bad_input(fmt::format("{}: {}{} is missing", where_, prefix_, key), "no model is without it");
  return integer(key, 0, 1, int64_t{1} << 28);
}

double ConfigReader::positive(const char* key, double absent) const {
  const json* value = find(key);
  if (value == nullptr) return absent;
  const double number = value->is_number() ? value->get<double>() : 0;
  if (!(number > 0) || !(number < 1e30)) throw refuse(key, *value, "allowed are numbers above 0");
  return number;
}

bool ConfigReader::boolean(const char* key, bool absent) const {
  const json* value = find(key);
  if (value == nullptr) return absent;
  if (!value->is_boolean()) throw refuse(key, *value, "allowed are true and false");
  return value->get<bool>();
}

std::string ConfigReader::text(const char* key) const {
  const json* value = find(key);
  if (value == nullptr) return "";
  if (!value->is_string()) throw refuse(key, *value, "expected a text");
  return value->get<std::string>();
}

void ConfigReader::require(const char* key, const json& wanted) const {
  const json* value = find(key);
  if (value != nullptr && *value != wanted) throw refuse(key, *value, fmt::format("supported is {} only", wanted.dump()));
}

Error ConfigReader::refuse(const char* key, const json& value, const std::string& hint) const {
  return bad_input(fmt::format("{}: {}{} is {}", where_, prefix_, key, value.dump()), hint);
}

}  // namespace spectra::model
