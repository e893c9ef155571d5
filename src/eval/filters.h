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
/// Null where there is none of that name.
const NamedFilter* find_filter(std::string_view name);

}  // namespace spectra::eval
