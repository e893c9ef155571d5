// SPDX-License-Identifier: Apache-2.0
#pragma once
// Requests as tokens, cut as the harness cuts them.
#include <cstdint>
#include <string>
#include <vector>

#include "eval/document.h"
#include "eval/task.h"
#include "text/tokenizer.h"
#include "text/word_cache.h"

namespace spectra::eval {

/// The last `scored` of `tokens` are to be scored; the model reads all but the last one.
struct TokenRequest {
  std::vector<int32_t> tokens;
  int64_t scored = 0;

  int64_t inputs() const { return static_cast<int64_t>(tokens.size()) - 1; }
  int64_t first_scored() const { return static_cast<int64_t>(tokens.size()) - scored; }  ///< index of a token, at least 1
};

class Encoder {
 public:
  /// `context`: the most tokens that the model reads. `tokenizer` must outlive the encoder.
  Encoder(const text::Tokenizer& tokenizer, int64_t context) : tokenizer_(tokenizer), context_(context) {}

  /// Tokens of context and continuation. White space at the end of the context goes to the continuation, whose tokens are those of
  /// both together without as many as the context alone has: the beginning need not be equal. An empty context is the token that
  /// ends texts. What is too long loses its beginning. Throws Error with `where` for a continuation of no tokens, or of more than
  /// the model reads.
  TokenRequest encode(const Request& request, const std::string& where);

  /// Windows of a whole text: every token is scored once. Empty for an empty text.
  std::vector<TokenRequest> rolling(const std::string& text) const;

  /// A prompt with room for `max_tokens` after it. Throws Error where the model does not read as many.
  std::vector<int32_t> prompt(const std::string& context, int64_t max_tokens);

  int64_t cut() const { return cut_; }  ///< requests and prompts so far that lost their beginning

 private:
  std::vector<int32_t> ids(const std::string& text) const;
  int32_t start() const;
  void keep_last(std::vector<int32_t>& tokens, int64_t count);

  const text::Tokenizer& tokenizer_;
  int64_t context_;
  int64_t cut_ = 0;
  mutable text::WordCache cache_;
  std::string last_context_;  // the choices of a question have one
  std::vector<int32_t> last_ids_;
};

}  // namespace spectra::eval
