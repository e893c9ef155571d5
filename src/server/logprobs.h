// SPDX-License-Identifier: Apache-2.0
#pragma once
// Log-probabilities as the two protocols write them.
#include <cstdint>
#include <span>
#include <string>

#include "infer/batcher.h"
#include "server/fields.h"
#include "text/tokenizer.h"

namespace spectra::server {

/// Tokens whose logprobs are shown one after another.
struct ScoredText {
  int32_t first = -1;                         ///< the first token of a prompt, which has no logprob; -1 = none
  std::span<const infer::Token> prompt = {};  ///< the other tokens of the prompt
  std::span<const infer::Token> drawn = {};   ///< the tokens of the text
};

/// The completions protocol: four arrays side by side, {tokens, token_logprobs, top_logprobs, text_offset}; a token's own logprob
/// is also among its top ones. -inf is written -9999. `offset`: code points before the first token, and afterwards those before the
/// next one. It is negative where the prompt has tokens that its text does not show, as a BOS or a space; these are put at 0.
Json legacy_logprobs(const text::Tokenizer& tokenizer, const ScoredText& text, bool ids_as_tokens, int64_t& offset);

/// The chat protocol: {"content": [{token, logprob, bytes, top_logprobs}]}.
Json chat_logprobs(const text::Tokenizer& tokenizer, std::span<const infer::Token> tokens);

/// Number of code points of a UTF-8 text.
int64_t code_points(const std::string& text);

/// What a token adds to a text; for a special token its name.
std::string token_bytes(const text::Tokenizer& tokenizer, int32_t id);  ///< its bytes, perhaps a part of a character
std::string token_text(const text::Tokenizer& tokenizer, int32_t id);   ///< the same as valid UTF-8

}  // namespace spectra::server
