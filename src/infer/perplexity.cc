// SPDX-License-Identifier: Apache-2.0
#include "infer/perplexity.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/system.h"
#include "infer/generate.h"

namespace spectra::infer {
namespace {

constexpr Convention kConventions[] = {Convention::kRolling, Convention::kGptq, Convention::kLlamaCpp};

std::vector<int32_t> slice(const std::vector<int32_t>& ids, int64_t begin, int64_t end) {
  return {ids.begin() + begin, ids.begin() + end};
}

std::vector<Window> rolling_windows(const std::vector<int32_t>& ids, int64_t window, int32_t bos) {
  std::vector<int32_t> stream = {bos};  // stream[i] comes before ids[i]
  stream.insert(stream.end(), ids.begin(), ids.end());
  const auto count = static_cast<int64_t>(ids.size());
  std::vector<Window> windows;
  for (int64_t begin = 0; begin < count; begin += window) {
    const int64_t end = std::min(begin + window, count);
    const int64_t context = std::max<int64_t>(end - window, 0);  // where the input starts in `stream`
    windows.push_back({slice(stream, context, end), begin - context, slice(ids, begin, end)});
  }
  return windows;
}

std::vector<Window> whole_windows(Convention convention, const std::vector<int32_t>& ids, int64_t window, int32_t bos) {
  const auto count = static_cast<int64_t>(ids.size());
  const int64_t first = convention == Convention::kGptq ? 0 : window / 2;
  std::vector<Window> windows;
  for (int64_t begin = 0; begin + window <= count; begin += window) {
    Window w{slice(ids, begin, begin + window - 1), first, slice(ids, begin + first + 1, begin + window)};
    if (convention == Convention::kLlamaCpp) w.input[0] = bos;
    windows.push_back(std::move(w));
  }
  return windows;
}

}  // namespace

const char* convention_name(Convention convention) {
  switch (convention) {
    case Convention::kRolling:
      return "rolling";
    case Convention::kGptq:
      return "gptq";
    case Convention::kLlamaCpp:
      return "llama.cpp";
  }
  return "?";
}

Convention convention_from_name(const std::string& name) {
  for (const Convention convention : kConventions)
    if (name == convention_name(convention)) return convention;
  throw Error(Exit::kUsage, fmt::format("--convention {} is unknown", name), "allowed: rolling, gptq, llama.cpp");
}

int64_t default_window(Convention convention, int64_t context) {
  return convention == Convention::kLlamaCpp ? std::min<int64_t>(512, context) : context;
}

std::vector<int32_t> encode_for(Convention convention, const text::Tokenizer& tokenizer, const std::string& text) {
  const std::vector<uint32_t> ids = tokenizer.encode(text);
  if (convention != Convention::kRolling) return tokenizer.with_bos(ids);
  return {ids.begin(), ids.end()};
}

std::vector<Window> make_windows(Convention convention, const std::vector<int32_t>& ids, int64_t window, int32_t bos) {
  const int64_t smallest = convention == Convention::kRolling ? 1 : 3;
  if (window < smallest)
    throw Error(Exit::kUsage, fmt::format("--window {} is too small", window), fmt::format("allowed: {} or more", smallest));
  std::vector<Window> windows =
      convention == Convention::kRolling ? rolling_windows(ids, window, bos) : whole_windows(convention, ids, window, bos);
  if (windows.empty())
    throw bad_input(fmt::format("the text has {} tokens, too few to score with convention {} and window {}", ids.size(),
                                convention_name(convention), window),
                    "give a longer text or a smaller --window; the rolling convention scores a text of any length");
  return windows;
}

std::vector<Window> validation_windows(const format::TokenStream& split, int64_t window, int64_t tokens) {
  if (split.size() < 2)
    throw bad_input(fmt::format("a split of {} tokens has none to predict", split.size()), "prepare more validation text");
  const int64_t scored = std::min(tokens, static_cast<int64_t>(split.size() - 1));
  std::vector<Window> windows;
  for (int64_t begin = 0; begin < scored; begin += window) {
    const auto count = static_cast<size_t>(std::min(window, scored - begin));
    Window next{std::vector<int32_t>(count), 0, std::vector<int32_t>(count)};
    split.read(static_cast<uint64_t>(begin), count, next.input.data());
    split.read(static_cast<uint64_t>(begin) + 1, count, next.targets.data());
    windows.push_back(std::move(next));
  }
  return windows;
}

Perplexity score(Engine& engine, const std::vector<Window>& windows, const std::function<void(int64_t, double)>& progress) {
  Perplexity result;
  double sum = 0;
  int64_t passed = 0;
  const int32_t sequence = engine.open_sequence();
  for (const Window& window : windows) {
    const auto count = static_cast<int64_t>(window.input.size());
    SPECTRA_CHECK(count <= engine.context(), "window {} context {}", count, engine.context());
    for (int64_t begin = 0; begin < count; begin += Engine::kBatchTokens) {
      check_interrupted();
      Batch batch;
      for (int64_t i = begin; i < std::min(count, begin + Engine::kBatchTokens); ++i) {
        batch.add(window.input[static_cast<size_t>(i)], static_cast<int32_t>(i), sequence);
        if (i >= window.first)
          batch.targets.push_back({static_cast<int32_t>(i - begin), window.targets[static_cast<size_t>(i - window.first)]});
      }
      for (const TargetScore& s : engine.forward(batch).scores) sum -= s.logprob;
      result.tokens += static_cast<int64_t>(batch.targets.size());
      passed += static_cast<int64_t>(batch.tokens.size());
      if (progress) progress(passed, result.tokens > 0 ? sum / static_cast<double>(result.tokens) : 0);
    }
  }
  engine.close_sequence(sequence);
  result.nll = sum / static_cast<double>(result.tokens);
  result.perplexity = std::exp(result.nll);
  return result;
}

}  // namespace spectra::infer
