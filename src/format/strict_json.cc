// SPDX-License-Identifier: Apache-2.0
#include "format/strict_json.h"

#include <nlohmann/json.hpp>
#include <set>
#include <vector>

#include "base/error.h"

namespace spectra::format {

using nlohmann::json;

namespace {

constexpr const char* kJsonHint = "the file is damaged or not what its name says; write or download it again";

[[noreturn]] void name_repeated_key(std::string_view text, const std::string& where) {
  std::vector<std::set<std::string>> keys;  // of the objects that are open, innermost last
  const auto check = [&](int, json::parse_event_t event, json& value) {
    if (event == json::parse_event_t::object_start) keys.emplace_back();
    if (event == json::parse_event_t::object_end) keys.pop_back();
    if (event == json::parse_event_t::key && !keys.back().insert(value.get<std::string>()).second)
      throw bad_input(fmt::format("{}: key \"{}\" occurs twice", where, value.get<std::string>()), kJsonHint);
    return true;
  };
  const json all = json::parse(text.begin(), text.end(), check);
  SPECTRA_CHECK(false, "{} has a repeated key, and none was found", where);
}

}  // namespace

json parse_json(std::string_view text, const std::string& where, int max_depth) {
  std::vector<size_t> keys;  // read so far of the objects that are open, innermost last
  const auto check = [&](int depth, json::parse_event_t event, json& value) {
    if (depth > max_depth) throw bad_input(fmt::format("{}: JSON nested deeper than {} levels", where, max_depth), kJsonHint);
    if (event == json::parse_event_t::object_start) keys.push_back(0);
    if (event == json::parse_event_t::key) ++keys.back();
    if (event == json::parse_event_t::object_end) {
      // An object keeps one value a key. Counting costs nothing; only damaged files are read again for the name.
      if (value.size() != keys.back()) name_repeated_key(text, where);
      keys.pop_back();
    }
    return true;
  };
  try {
    return json::parse(text.begin(), text.end(), check);
  } catch (const json::exception& error) {
    std::string reason = error.what();  // "[json.exception.parse_error.101] parse error at line 1, column 3: ..."
    if (const size_t end = reason.find("] "); end != std::string::npos) reason.erase(0, end + 2);
    throw bad_input(fmt::format("{}: not valid JSON: {}", where, reason), kJsonHint);
  }
}

json parse_json_object(std::string_view text, const std::string& where, int max_depth) {
  json value = parse_json(text, where, max_depth);
  if (!value.is_object()) throw bad_input(fmt::format("{}: expected a JSON object, found {}", where, value.type_name()));
  return value;
}

}  // namespace spectra::format
