// SPDX-License-Identifier: Apache-2.0
#pragma once
// The small language in which the stories are written. A rule is a text with holes:
//   [one|two|]   one of the alternatives, each equally likely; they nest, and the empty one makes a part optional
//   <rule>       the text of another rule
//   {slot}       a value fixed for the whole story; a value may itself hold holes
//   <p>          a new paragraph
// Authors need not care for spaces, "a" or "an", and the capital at the start of a sentence: tidy() sees to them. Only after a
// quotation that ends in ! or ? can it not know ("No!" she cried / "No!" She ran): there {Slot} asks for the capital.
#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>

#include "base/rng.h"

namespace spectra::text {

struct Rule {
  std::string_view name, text;
};

/// Every rule of the stories, by name.
std::string_view find_rule(std::string_view name);

using Slots = std::map<std::string, std::string, std::less<>>;

/// `text` with all holes filled. An unknown rule or slot, or an unclosed hole, is a bug of the grammar: SPECTRA_CHECK.
std::string expand(std::string_view text, const Slots& slots, Rng& rng);

/// Single spaces, "a" before consonants and "an" before vowels, capitals at the starts of sentences, "\n" for <p>.
std::string tidy(std::string_view text);

}  // namespace spectra::text
