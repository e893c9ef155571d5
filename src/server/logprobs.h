// SPDX-License-Identifier: Apache-2.0
#pragma once
// Log-probabilities as the two protocols write them.
#include <span>

#include "infer/batcher.h"
#include "server/fields.h"
#include "text/tokenizer.h"

namespace spectra::server {

/// The completions protocol: four arrays side by side, {tokens, token_logprobs, top_logprobs, text_offset}; a token's own logprob
/// is also among its top ones. -inf is written -9999. Offsets are in code points.
class LegacyLogprobs {
 public:
  /// `offset`: code points of the text before.
  LegacyLogprobs(const text::Tokenizer& tokenizer, bool ids_as_tokens, int64_t offset = 0)
      : tokenizer_(tokenizer), ids_as_tokens_(ids_as_tokens), offset_(offset) {}
  void add_first(int32_t id);  ///< of a prompt: it has no logprob
  void add(const infer::Token& token);
  Json json() const;
  int64_t offset() const { return offset_; }

 private:
  std::string name(int32_t id) const;
  void add_name(int32_t id);

  const text::Tokenizer& tokenizer_;
  const bool ids_as_tokens_;
  int64_t offset_;
  Json tokens_ = Json::array(), logprobs_ = Json::array(), top_ = Json::array(), offsets_ = Json::array();
};

/// The chat protocol: {"content": [{token, logprob, bytes, top_logprobs}]}.
Json chat_logprobs(const text::Tokenizer& tokenizer, std::span<const infer::Token> tokens);

/// What a token adds to a text, a special one its name.
std::string token_bytes(const text::Tokenizer& tokenizer, int32_t id);  ///< may be a part of a character
std::string token_text(const text::Tokenizer& tokenizer, int32_t id);   ///< valid UTF-8

}  // namespace spectra::server
