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
  int32_t first = -1;                         ///< token without a logprob before the others, the first of a prompt; -1 = none
  std::span<const infer::Token> prompt = {};  ///< the prompt's others
  std::span<const infer::Token> drawn = {};
};

/// The completions protocol: four arrays side by side, {tokens, token_logprobs, top_logprobs, text_offset}; a token's own logprob
/// is also among its top ones. -inf is written -9999. `offset`: code points of the text before, and then of all of it.
/// `offset` below 0: what is before the text, as a BOS or a space that it does not show, is at 0.
Json legacy_logprobs(const text::Tokenizer& tokenizer, const ScoredText& text, bool ids_as_tokens, int64_t& offset);

/// The chat protocol: {"content": [{token, logprob, bytes, top_logprobs}]}.
Json chat_logprobs(const text::Tokenizer& tokenizer, std::span<const infer::Token> tokens);

/// Code points of UTF-8.
int64_t code_points(const std::string& text);

/// What a token adds to a text, a special one its name.
std::string token_bytes(const text::Tokenizer& tokenizer, int32_t id);  ///< may be a part of a character
std::string token_text(const text::Tokenizer& tokenizer, int32_t id);   ///< valid UTF-8

}  // namespace spectra::server
