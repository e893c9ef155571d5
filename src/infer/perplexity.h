// SPDX-License-Identifier: Apache-2.0
#pragma once
// Perplexity of a text in three conventions, whose numbers are not comparable with each other. W: the window, at most the context.
//
//   rolling    lm-evaluation-harness: every token is scored once. Disjoint windows of W predictions, each with one token of left
//              context (BOS, or EOS where the tokenizer has none, before the first); the last, shorter window is filled up with
//              real context on the left. The text is encoded without BOS.
//   gptq       GPTQ's test: the text encoded once (BOS before it where the tokenizer adds one), cut into windows of W tokens, each
//              scored on its last W - 1; the remainder is dropped. (GPTQ joins the lines of a data set with a blank line between;
//              here the text is taken as it is.)
//   llama.cpp  the same windows; the first token of each is replaced by BOS and only the second half is scored: the tokens
//              from W/2 + 1 on.
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "format/token_stream.h"
#include "infer/engine.h"
#include "text/tokenizer.h"

namespace spectra::infer {

enum class Convention : uint8_t { kRolling, kGptq, kLlamaCpp };
const char* convention_name(Convention convention);  ///< "rolling", "gptq", "llama.cpp"
/// Throws Error (exit 2) listing the three.
Convention convention_from_name(const std::string& name);
/// The context for rolling and gptq, 512 (or the context where it is shorter) for llama.cpp.
int64_t default_window(Convention convention, int64_t context);

/// One forward pass from an empty cache: targets[i] is the token after input[first + i].
struct Window {
  std::vector<int32_t> input;    ///< at most W
  int64_t first = 0;             ///< rows before it are context only
  std::vector<int32_t> targets;  ///< input.size() - first
};

/// Ids of `text` as `convention` wants them.
std::vector<int32_t> encode_for(Convention convention, const text::Tokenizer& tokenizer, const std::string& text);
/// Cuts `ids` (encode_for) into windows. Throws Error (exit 3) when there are too few tokens to score one.
std::vector<Window> make_windows(Convention convention, const std::vector<int32_t>& ids, int64_t window, int32_t bos);

/// The first `tokens` predictions of a split of token data, cut as training's validation cuts it: window w holds tokens
/// [w W, w W + W) and predicts those that follow each. Throws Error (exit 3) when there is nothing to predict.
std::vector<Window> validation_windows(const format::TokenStream& split, int64_t window, int64_t tokens);

struct Perplexity {
  double perplexity = 0;  ///< exp(nll)
  double nll = 0;         ///< mean over scored tokens of -ln p
  int64_t tokens = 0;     ///< scored
};
/// `progress(tokens passed, nll so far)` is called after every forward pass, may be empty. Throws Error (exit 130) on an interrupt.
Perplexity score(Engine& engine, const std::vector<Window>& windows, const std::function<void(int64_t, double)>& progress = {});

}  // namespace spectra::infer
