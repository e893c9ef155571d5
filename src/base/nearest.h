// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>
#include <vector>

namespace spectra {

/// The word of `words` closest to `word` (edit distance at most a third of its length, at least 1), or "" when none is close: for
/// "did you mean" hints.
std::string nearest(const std::string& word, const std::vector<std::string>& words);

}  // namespace spectra
