// SPDX-License-Identifier: Apache-2.0
#pragma once
// Text from a prompt, one sequence.
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "infer/engine.h"
#include "infer/finish.h"
#include "infer/sampler.h"
#include "infer/speculative.h"
#include "text/tokenizer.h"

namespace spectra::infer {

struct GenerateOptions {
  int64_t max_tokens = 128;
  Sampling sampling;
  std::vector<std::string> stops;  ///< the text ends before the first of these
  Draft draft;                     ///< its model has the same tokenizer: check_draft()
};

struct Generated {
  std::string text;             ///< valid UTF-8
  std::vector<int32_t> tokens;  ///< generated ones, without the token that ended the text
  FinishReason finish = FinishReason::kLength;
  int64_t prompt_tokens = 0;
  double prefill_seconds = 0, decode_seconds = 0;
  int64_t decoded = 0;                 ///< tokens drawn after the first, which comes out of the prefill
  int64_t proposed = 0, accepted = 0;  ///< tokens of the draft

  double prefill_tokens_per_second() const;
  double decode_tokens_per_second() const;  ///< 0 where none was
};

/// Ids of a prompt as text::Tokenizer::with_bos() has them. Throws Error (exit 3) where there is none.
std::vector<int32_t> encode_prompt(const text::Tokenizer& tokenizer, const std::string& prompt);

/// Throws Error (exit 3) when tokenizer and model do not belong together: more tokens than rows of the head.
void check_tokenizer(const Model& model, const text::Tokenizer& tokenizer);

/// Throws Error (exit 3) unless the two tokenizers have the same tokens.
void check_draft(const text::Tokenizer& tokenizer, const text::Tokenizer& draft, const std::string& where);

/// Generates after `prompt` until max_tokens, the end of the context, EOS (or BOS, which begins the next document), a stop string
/// or an interrupt. `show` gets the text in pieces, as soon as each is certain, and returns false to interrupt. Throws Error as
/// positions_needed() does.
Generated generate(Engine& engine, const text::Tokenizer& tokenizer, const std::vector<int32_t>& prompt,
                   const GenerateOptions& options, const std::function<bool(std::string_view)>& show);

}  // namespace spectra::infer
