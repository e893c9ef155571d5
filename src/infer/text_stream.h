// SPDX-License-Identifier: Apache-2.0
#pragma once
// From the bytes of tokens to text that can be shown: whole UTF-8 characters only, and nothing that may turn out to be the
// beginning of a stop string.
#include <string>
#include <string_view>
#include <vector>

namespace spectra::infer {

/// Number of bytes at the end of `text` that begin a UTF-8 character without completing it (0 to 3).
size_t incomplete_utf8(std::string_view text);

class TextStream {
 public:
  /// Empty stop strings are ignored.
  explicit TextStream(std::vector<std::string> stops);
  /// Adds bytes of a token; returns what may be shown now. Bytes that are not UTF-8 become U+FFFD.
  std::string push(std::string_view bytes);
  /// What was held back, when no more will come. Empty once stopped.
  std::string finish();
  /// A stop string was found: the text ends before it, and further bytes are ignored.
  bool stopped() const { return stopped_; }

 private:
  std::string release(bool all);
  std::vector<std::string> stops_;
  std::string bytes_;  // an unfinished character
  std::string held_;   // whole characters that may begin a stop string
  bool stopped_ = false;
};

}  // namespace spectra::infer
