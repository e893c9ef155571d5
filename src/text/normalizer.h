// SPDX-License-Identifier: Apache-2.0
#pragma once
// What happens to text before it is cut into pieces: NFC, and the space markers of SentencePiece-style vocabularies.
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace spectra::text {

class Normalizer {
 public:
  void add_nfc() { steps_.push_back({Kind::kNfc, "", ""}); }
  /// What is put before every text that is not empty.
  void add_prepend(std::string prefix) { steps_.push_back({Kind::kPrepend, "", std::move(prefix)}); }
  /// Every occurrence of `pattern` (not empty).
  void add_replace(std::string pattern, std::string content) {
    steps_.push_back({Kind::kReplace, std::move(pattern), std::move(content)});
  }
  /// `text` (valid UTF-8) after every step in order. Refers to `text` itself or to `storage`.
  /// Throws Error when replacements make the text hundreds of times longer: they can be made to do so without end.
  std::string_view apply(std::string_view text, std::string& storage) const;

 private:
  enum class Kind { kNfc, kPrepend, kReplace };
  struct Step {
    Kind kind;
    std::string pattern, content;
  };
  std::vector<Step> steps_;
};

/// `text` with every occurrence of `pattern` replaced.
std::string replace_all(std::string_view text, std::string_view pattern, std::string_view content);

}  // namespace spectra::text
