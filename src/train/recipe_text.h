// SPDX-License-Identifier: Apache-2.0
#pragma once
// Values of a recipe from and to text; shared by the files recipe*.cc.
#include <string>

#include "train/recipe.h"

namespace spectra::train {

/// Throws Error naming `origin`, and the nearest known key.
const Key& find_key(const std::string& name, const std::string& origin);
/// Sets a key from text and records the origin. Throws Error naming origin, key, value and what is allowed.
void set_key(Recipe& recipe, const std::string& name, const std::string& text, const std::string& origin);
/// Sets every key of a TOML text; origins are "where:line".
void apply_toml(Recipe& recipe, const std::string& toml, const std::string& where);
/// "16_384" or "1%" of `total`. Throws Error.
int64_t parse_span(const std::string& text, int64_t total, const std::string& key, const std::string& origin);
/// What a key allows: "one of float, ternary, binary", "a whole number from 1 to 64".
std::string allowed(const Key& key);
/// Shares of the sources, "0.25, 0.75"; those decide the weights, the paths do not. "1" for one source.
std::string mixture_text(const Recipe& recipe);
/// As a TOML text: in quotes.
std::string quoted(const std::string& text);
/// As it stands in a TOML file: 16384, 0.0024, "ternary", true.
std::string value_text(const Recipe& recipe, const Key& key);

}  // namespace spectra::train
