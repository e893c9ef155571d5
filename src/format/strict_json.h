// SPDX-License-Identifier: Apache-2.0
#pragma once
// JSON from strangers: one parser with one set of rules and messages.
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

namespace spectra::format {

/// Parses `text`. Throws Error naming `where` and the byte for a syntax error, invalid UTF-8, a key that occurs twice in one object
/// (two readers could disagree on it), or nesting deeper than `max_depth`.
nlohmann::json parse_json(std::string_view text, const std::string& where, int max_depth = 64);
/// The same, and throws Error unless the result is an object.
nlohmann::json parse_json_object(std::string_view text, const std::string& where, int max_depth = 64);

}  // namespace spectra::format
