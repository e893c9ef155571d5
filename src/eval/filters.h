// SPDX-License-Identifier: Apache-2.0
#pragma once
// The named steps that a task's templates put a field through: {question|strip}. Each does what lm-evaluation-harness 0.4.2 does to
// that task's documents.
#include <string>
#include <string_view>
#include <vector>

namespace spectra::eval {

/// Throws Error without a place where the text is not of the kind that the filter expects (no "_" for before_blank).
using Filter = std::string (*)(std::string_view text);

struct NamedFilter {
  const char* name;
  Filter apply;
  const char* help;  ///< one line
};
const std::vector<NamedFilter>& filters();
/// Those that "x|strip|lower" names after the first |. Throws Error beginning with `where` for an unknown one.
std::vector<const NamedFilter*> parse_filters(std::string_view text, const std::string& where);
/// All in turn. Throws Error beginning with `where`.
std::string apply_filters(const std::vector<const NamedFilter*>& filters, std::string text, const std::string& where);

}  // namespace spectra::eval
