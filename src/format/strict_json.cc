// SPDX-License-Identifier: Apache-2.0
#include "format/strict_json.h"

#include <nlohmann/json.hpp>
#include <set>
#include <vector>

#include "base/error.h"

namespace spectra::format {

using nlohmann::json;

json parse_json(std::string_view text, const std::string& where, int max_depth) {
  const std::string hint = "the file is damaged or not what its name says; write or download it again";
  std::vector<std::set<std::string>> keys;  // of the objects that are open, innermost last
  const auto check = [&](int depth, json::parse_event_t event, json& value) {
    if (depth > max_depth) throw bad_input(fmt::format("{}: JSON nested deeper than {} levels", where, max_depth), hint);
    if (event == json::parse_event_t::object_start) keys.emplace_back();
    if (event == json::parse_event_t::object_end) keys.pop_back();
    if (event == json::parse_event_t::key) {
      const auto& key = value.get_ref<const std::string&>();
      if (!keys.back().insert(key).second) throw bad_input(fmt::format("{}: key \"{}\" occurs twice", where, key), hint);
    }
    return true;
  };
  try {
    return json::parse(text.begin(), text.end(), check);
  } catch (const json::exception& error) {
    std::string reason = error.what();  // "[json.exception.parse_error.101] parse error at line 1, column 3: ..."
    if (const size_t end = reason.find("] "); end != std::string::npos) reason.erase(0, end + 2);
    throw bad_input(fmt::format("{}: not valid JSON: {}", where, reason), hint);
  }
}

json parse_json_object(std::string_view text, const std::string& where, int max_depth) {
  json value = parse_json(text, where, max_depth);
  if (!value.is_object()) throw bad_input(fmt::format("{}: expected a JSON object, found {}", where, value.type_name()));
  return value;
}

}  // namespace spectra::format
