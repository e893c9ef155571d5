// SPDX-License-Identifier: Apache-2.0
#include "eval/token_request.h"

#include <algorithm>

#include "base/error.h"
#include "eval/python_text.h"
#include "infer/perplexity.h"

namespace spectra::eval {

void Encoder::keep_last(std::vector<int32_t>& tokens, int64_t count) {
  if (static_cast<int64_t>(tokens.size()) <= count) return;
  tokens.erase(tokens.begin(), tokens.end() - count);
  ++cut_;
}

std::vector<int32_t> Encoder::ids(const std::string& text) const {
  const std::vector<uint32_t> encoded = tokenizer_.encode(text, true, nullptr, &cache_);
  return {encoded.begin(), encoded.end()};
}

/// EOS, as the harness had it up to 0.4.2.
int32_t Encoder::start() const {
  if (tokenizer_.eos() < 0)
    throw bad_input("the tokenizer has no token that ends a text, and an empty context begins with it",
                    "name one in tokenizer_config.json (eos_token)");
  return tokenizer_.eos();
}

TokenRequest Encoder::encode(const Request& request, const std::string& where) {
  const std::string context(rstrip(request.context));
  const std::string continuation = request.context.substr(context.size()) + request.continuation;
  TokenRequest result;
  if (context.empty()) {
    result.tokens = {start()};
    const std::vector<int32_t> scored = ids(continuation);
    result.tokens.insert(result.tokens.end(), scored.begin(), scored.end());
    result.scored = static_cast<int64_t>(scored.size());
  } else {
    if (context != last_context_) {
      last_ids_ = ids(context);
      last_context_ = context;
    }
    const std::vector<int32_t> whole = ids(context + continuation);
    result.tokens = last_ids_;
    if (whole.size() > last_ids_.size()) {
      result.scored = static_cast<int64_t>(whole.size() - last_ids_.size());
      result.tokens.insert(result.tokens.end(), whole.begin() + static_cast<ptrdiff_t>(last_ids_.size()), whole.end());
    }
  }
  if (result.scored < 1)
    throw bad_input(
        fmt::format("{}: nothing to score: \"{}\" adds no token to its context", where, request.continuation.substr(0, 60)),
        "expected a choice or target with text");
  if (result.scored > context_)
    throw bad_input(fmt::format("{}: a choice of {} tokens, and the model reads {}", where, result.scored, context_),
                    "a continuation must fit into the model's context");
  keep_last(result.tokens, context_ + 1);
  return result;
}

std::vector<TokenRequest> Encoder::rolling(const std::string& text) const {
  const std::vector<int32_t> tokens = ids(text);
  std::vector<TokenRequest> requests;
  if (tokens.empty()) return requests;
  for (infer::Window& window : infer::make_windows(infer::Convention::kRolling, tokens, context_, start())) {
    requests.push_back({std::move(window.input), static_cast<int64_t>(window.targets.size())});
    requests.back().tokens.push_back(window.targets.back());
  }
  return requests;
}

std::vector<int32_t> Encoder::prompt(const std::string& context, int64_t max_tokens) {
  if (context_ <= max_tokens)
    throw bad_input(
        fmt::format("answers of up to {} tokens leave no room for a question: the model reads {}", max_tokens, context_),
        "leave the task out for this model");
  std::vector<int32_t> tokens = ids(context);
  if (tokens.empty()) tokens.push_back(start());
  keep_last(tokens, context_ - max_tokens);
  return tokens;
}

}  // namespace spectra::eval
