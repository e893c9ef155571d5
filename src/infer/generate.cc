// SPDX-License-Identifier: Apache-2.0
#include "infer/generate.h"

#include <algorithm>

#include "base/error.h"
#include "base/progress.h"
#include "base/system.h"
#include "infer/text_stream.h"

namespace spectra::infer {
namespace {

double rate(int64_t count, double seconds) { return count > 0 && seconds > 0 ? static_cast<double>(count) / seconds : 0; }

/// One sequence of the engine, closed with the object.
class Sequence {
 public:
  explicit Sequence(Engine& engine) : engine_(engine), id_(engine.open_sequence()) {}
  ~Sequence() { engine_.close_sequence(id_); }
  Sequence(const Sequence&) = delete;
  Sequence& operator=(const Sequence&) = delete;

  /// Appends tokens and returns the logits (V) after the last one; empty when interrupted.
  std::vector<float> append(const int32_t* tokens, size_t count) {
    std::vector<float> logits;
    for (size_t begin = 0; begin < count; begin += Engine::kBatchTokens) {
      if (interrupted()) return {};
      const size_t end = std::min(count, begin + Engine::kBatchTokens);
      Batch batch;
      for (size_t i = begin; i < end; ++i) batch.add(tokens[i], length_++, id_);
      if (end == count) batch.logits_at = {static_cast<int32_t>(end - begin) - 1};
      logits = engine_.forward(batch).logits;
    }
    return logits;
  }
  int64_t length() const { return length_; }

 private:
  Engine& engine_;
  int32_t id_;
  int32_t length_ = 0;
};

}  // namespace

double Generated::prefill_tokens_per_second() const { return rate(prompt_tokens, prefill_seconds); }
double Generated::decode_tokens_per_second() const { return rate(decode_steps, decode_seconds); }

std::vector<int32_t> encode_prompt(const text::Tokenizer& tokenizer, const std::string& prompt) {
  std::vector<int32_t> ids;
  if (tokenizer.adds_bos() || prompt.empty()) ids.push_back(tokenizer.bos());
  for (const uint32_t id : tokenizer.encode(prompt)) ids.push_back(static_cast<int32_t>(id));
  return ids;
}

void check_tokenizer(const Model& model, const text::Tokenizer& tokenizer) {
  if (tokenizer.vocab_size() > model.config.vocab)
    throw bad_input(fmt::format("{}: the tokenizer has {} tokens and the model {}", model.path.string(), tokenizer.vocab_size(),
                                model.config.vocab),
                    "use the tokenizer.json that the model was trained with");
}

Generated generate(Engine& engine, const text::Tokenizer& tokenizer, const std::vector<int32_t>& prompt,
                   const GenerateOptions& options, const std::function<void(std::string_view)>& show) {
  SPECTRA_CHECK(!prompt.empty());
  const auto prompt_tokens = static_cast<int64_t>(prompt.size());
  if (prompt_tokens > engine.context())
    throw bad_input(fmt::format("the prompt has {} tokens and the model's context {}", prompt_tokens, engine.context()),
                    "shorten the prompt");
  const int32_t ends[] = {engine.model().config.eos, tokenizer.eos(), tokenizer.bos()};
  const auto real_tokens = static_cast<size_t>(std::min(tokenizer.vocab_size(), engine.model().config.vocab));
  Sampler sampler(options.sampling);
  TextStream stream(options.stops);
  Sequence sequence(engine);
  std::vector<int32_t> seen = prompt;
  Generated result;
  result.prompt_tokens = prompt_tokens;
  const auto emit = [&](const std::string& text) {
    result.text += text;
    if (!text.empty() && show) show(text);
  };

  const Stopwatch prefill;
  std::vector<float> logits = sequence.append(prompt.data(), prompt.size());
  result.prefill_seconds = prefill.seconds();
  const Stopwatch decode;
  for (;;) {
    if (logits.empty() || interrupted()) {
      result.finish = FinishReason::kInterrupted;
      break;
    }
    if (static_cast<int64_t>(result.tokens.size()) >= options.max_tokens) break;
    const int32_t token = sampler.sample(std::span<const float>(logits).first(real_tokens), seen, result.tokens.size());
    if (std::find(std::begin(ends), std::end(ends), token) != std::end(ends)) {
      result.finish = FinishReason::kStop;
      break;
    }
    emit(stream.push(tokenizer.piece(static_cast<uint32_t>(token), seen.back())));
    seen.push_back(token);
    result.tokens.push_back(token);
    if (stream.stopped()) {
      result.finish = FinishReason::kStop;
      break;
    }
    if (static_cast<int64_t>(result.tokens.size()) >= options.max_tokens || sequence.length() >= engine.context()) break;
    logits = sequence.append(&token, 1);
    ++result.decode_steps;
  }
  result.decode_seconds = decode.seconds();
  emit(stream.finish());
  return result;
}

}  // namespace spectra::infer
