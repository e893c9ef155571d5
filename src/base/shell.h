// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>
#include <vector>

namespace spectra {

/// A word as a shell reads it back, whatever is in it; the words of a command.
std::string shell_word(const std::string& word);
std::string shell_words(const std::vector<std::string>& words);

}  // namespace spectra
