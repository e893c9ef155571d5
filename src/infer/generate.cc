// SPDX-License-Identifier: Apache-2.0
#include "infer/generate.h"

#include <algorithm>

#include "base/error.h"
#include "base/stopwatch.h"
#include "base/system.h"
#include "infer/limits.h"
#include "infer/text_stream.h"

namespace spectra::infer {
namespace {

double rate(int64_t count, double seconds) { return count > 0 && seconds > 0 ? static_cast<double>(count) / seconds : 0; }

}  // namespace

double Generated::prefill_tokens_per_second() const { return rate(prompt_tokens, prefill_seconds); }
double Generated::decode_tokens_per_second() const { return rate(decoded, decode_seconds); }

std::vector<int32_t> encode_prompt(const text::Tokenizer& tokenizer, const std::string& prompt) {
  std::vector<int32_t> ids = tokenizer.with_bos(tokenizer.encode(prompt));
  if (ids.empty()) throw bad_input("the prompt is empty, and the tokenizer has no token that begins a text", "give a prompt");
  return ids;
}

void check_tokenizer(const Model& model, const text::Tokenizer& tokenizer) {
  if (tokenizer.vocab_size() > model.config.vocab)
    throw bad_input(fmt::format("{}: the tokenizer has {} tokens and the model {}", model.path.string(), tokenizer.vocab_size(),
                                model.config.vocab),
                    "use the tokenizer.json that the model was trained with");
}

void check_draft(const text::Tokenizer& tokenizer, const text::Tokenizer& draft, const std::string& where) {
  bool same = tokenizer.vocab_size() == draft.vocab_size();
  for (uint32_t id = 0; same && id < static_cast<uint32_t>(tokenizer.vocab_size()); ++id)
    same = tokenizer.piece(id) == draft.piece(id);
  if (!same)
    throw bad_input(fmt::format("{}: the draft has another tokenizer than the model", where),
                    "use a draft that was trained with the same tokenizer.json");
}

Generated generate(Engine& engine, const text::Tokenizer& tokenizer, const std::vector<int32_t>& prompt,
                   const GenerateOptions& options, const std::function<bool(std::string_view)>& show) {
  SPECTRA_CHECK(!prompt.empty());
  positions_needed(engine, static_cast<int64_t>(prompt.size()), options.max_tokens);
  const int32_t ends[] = {engine.model().config.eos, tokenizer.eos(), tokenizer.bos()};
  Decoder decoder(engine, options.draft, options.sampling,
                  static_cast<size_t>(std::min(tokenizer.vocab_size(), engine.model().config.vocab)));
  TextStream stream(options.stops);
  std::vector<int32_t> seen = prompt;
  Generated result;
  result.prompt_tokens = static_cast<int64_t>(prompt.size());
  bool wanted = true;
  const auto emit = [&](const std::string& text) {
    if (!wanted) return;
    result.text += text;
    if (!text.empty() && show) wanted = show(text);
  };
  const auto take = [&](int32_t token) {  // false where the text ends
    if (std::find(std::begin(ends), std::end(ends), token) != std::end(ends)) return false;
    emit(stream.push(tokenizer.piece(static_cast<uint32_t>(token), seen.back())));
    seen.push_back(token);
    result.tokens.push_back(token);
    return wanted && !stream.stopped();
  };

  for (bool more = true; more;) {
    const auto generated = static_cast<int64_t>(result.tokens.size());
    if (generated >= options.max_tokens || static_cast<int64_t>(seen.size()) > engine.context()) break;
    const Stopwatch watch;
    const std::vector<int32_t> tokens = decoder.next(seen, static_cast<uint64_t>(generated), options.max_tokens - generated);
    (result.prefill_seconds == 0 ? result.prefill_seconds : result.decode_seconds) += watch.seconds();
    result.decoded = generated + static_cast<int64_t>(tokens.size()) - 1;
    if (tokens.empty() || interrupted()) {
      result.finish = FinishReason::kInterrupted;
      break;
    }
    for (size_t i = 0; i < tokens.size() && more; ++i) more = take(tokens[i]);
    if (!more) result.finish = wanted ? FinishReason::kStop : FinishReason::kInterrupted;
  }
  result.proposed = decoder.proposed();
  result.accepted = decoder.accepted();
  emit(stream.finish());
  return result;
}

}  // namespace spectra::infer
