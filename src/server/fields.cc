// SPDX-License-Identifier: Apache-2.0
#include "server/fields.h"

#include <fmt/format.h>

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/error.h"
#include "format/strict_json.h"
#include "server/api_error.h"

namespace spectra::server {
namespace {

constexpr int kMaxDepth = 16;

}  // namespace

std::string json_text(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

Fields Fields::parse(std::string_view body) {
  try {
    return Fields(format::parse_json_object(body, "the request", kMaxDepth));
  } catch (const Error& error) {
    throw ApiError(400, error.what(), "", "invalid_json");
  }
}

Fields::Fields(nlohmann::json object, std::string prefix)
    : object_(std::make_shared<const nlohmann::json>(std::move(object))), prefix_(std::move(prefix)) {}

const nlohmann::json* Fields::find(const char* name) const {
  const auto found = object_->find(name);
  return found == object_->end() || found->is_null() ? nullptr : &*found;
}

void Fields::fail(const char* name, const std::string& what) const {
  const std::string field = prefix_ + name;
  throw ApiError(400, fmt::format("{}: {}", field, what), field);
}

int64_t Fields::integer(const char* name, int64_t otherwise, int64_t least, int64_t most) const {
  const nlohmann::json* value = find(name);
  if (value == nullptr) return otherwise;
  const bool whole =
      value->is_number_integer() || (value->is_number_float() && std::trunc(value->get<double>()) == value->get<double>());
  if (!whole) fail(name, fmt::format("expected an integer, found {}", value->type_name()));
  constexpr double kEnd = 0x1p63;  // no int64_t reaches it
  const double approximate = value->get<double>();
  const bool fits = value->is_number_unsigned() ? value->get<uint64_t>() <= uint64_t{std::numeric_limits<int64_t>::max()}
                                                : approximate >= -kEnd && approximate < kEnd;
  const int64_t x = !fits ? 0 : value->is_number_float() ? static_cast<int64_t>(approximate) : value->get<int64_t>();
  if (!fits || x < least || x > most) fail(name, fmt::format("{} is out of range; allowed: {} to {}", value->dump(), least, most));
  return x;
}

double Fields::number(const char* name, double otherwise, double least, double most) const {
  const nlohmann::json* value = find(name);
  if (value == nullptr) return otherwise;
  if (!value->is_number()) fail(name, fmt::format("expected a number, found {}", value->type_name()));
  const auto x = value->get<double>();
  if (!(x >= least && x <= most)) fail(name, fmt::format("{} is out of range; allowed: {} to {}", value->dump(), least, most));
  return x;
}

bool Fields::boolean(const char* name, bool otherwise) const {
  const nlohmann::json* value = find(name);
  if (value == nullptr) return otherwise;
  if (!value->is_boolean()) fail(name, fmt::format("expected true or false, found {}", value->type_name()));
  return value->get<bool>();
}

std::string Fields::text(const char* name, const std::string& otherwise) const {
  const nlohmann::json* value = find(name);
  if (value == nullptr) return otherwise;
  if (!value->is_string()) fail(name, fmt::format("expected a string, found {}", value->type_name()));
  return value->get<std::string>();
}

std::vector<int32_t> Fields::ids(const char* name) const {
  const nlohmann::json* value = find(name);
  return value == nullptr ? std::vector<int32_t>() : read_ids(*value, prefix_ + name);
}

Fields Fields::object(const char* name) const {
  const nlohmann::json* value = find(name);
  if (value == nullptr) return Fields(nlohmann::json::object());
  if (!value->is_object()) fail(name, fmt::format("expected an object, found {}", value->type_name()));
  return Fields(*value, prefix_ + name + ".");
}

void Fields::refuse(const char* name, const char* why) const {
  const nlohmann::json* value = find(name);
  if (value == nullptr || *value == false || *value == 0 || *value == "" || (value->is_structured() && value->empty())) return;
  fail(name, why);
}

std::vector<int32_t> read_ids(const nlohmann::json& array, const std::string& name) {
  if (!array.is_array())
    throw ApiError(400, fmt::format("{}: expected an array of token ids, found {}", name, array.type_name()), name);
  std::vector<int32_t> ids;
  ids.reserve(array.size());
  for (const nlohmann::json& id : array) {
    if (!id.is_number_integer()) throw ApiError(400, fmt::format("{}: expected token ids, found {}", name, id.type_name()), name);
    const bool fits = id.is_number_unsigned() ? id.get<uint64_t>() <= std::numeric_limits<int32_t>::max() : id.get<int64_t>() >= 0;
    if (!fits) throw ApiError(400, fmt::format("{}: {} is no token id", name, id.dump()), name);
    ids.push_back(id.get<int32_t>());
  }
  return ids;
}

}  // namespace spectra::server
