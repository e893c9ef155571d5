// SPDX-License-Identifier: Apache-2.0
#pragma once
// Tokens that are found in the text as they are, before any merging: <|endoftext|>, GPT-NeoX's runs of spaces.
#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace spectra::text {

struct AddedToken {
  uint32_t id = 0;
  std::string content;       ///< what is looked for
  bool special = false;      ///< skipped in decoding; plain text where special tokens are not allowed
  bool single_word = false;  ///< not beside a word character
  bool lstrip = false;       ///< takes the white space before it
  bool rstrip = false;       ///< takes the white space after it
};

/// Finds the tokens of a set from left to right, the longest at each place.
class AddedTokenMatcher {
 public:
  /// A token with empty content is never found.
  void add(const AddedToken& token);
  bool empty() const { return tokens_.empty(); }
  /// Hands over the tokens in `text` (valid UTF-8) and the non-empty texts between them, in order. A special token is passed over
  /// unless `allow_special`.
  void split(std::string_view text, bool allow_special, const std::function<void(uint32_t)>& on_token,
             const std::function<void(std::string_view)>& on_text) const;

 private:
  struct Node {
    int32_t token = -1;  ///< index in tokens_ of the token that ends here
    std::vector<std::pair<char, uint32_t>> children;
  };
  uint32_t child(uint32_t node, char byte) const;  ///< 0 = none
  int32_t longest_at(std::string_view text, size_t at) const;
  std::vector<AddedToken> tokens_;
  std::vector<Node> nodes_{1};         ///< a trie over bytes, the root first
  std::array<uint32_t, 256> first_{};  ///< the root's children by byte, 0 = none: most bytes begin no token
};

}  // namespace spectra::text
