// SPDX-License-Identifier: Apache-2.0
#pragma once
// Cuts text into the pieces within which merges happen. A chain of steps, each of which cuts the pieces of the one before.
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "text/regex.h"

namespace spectra::text {

using Sink = std::function<void(std::string_view)>;

class PreTokenizerStep {
 public:
  virtual ~PreTokenizerStep() = default;
  /// Hands the non-empty pieces of `text` (valid UTF-8) to `sink` in order. A piece lives until `sink` returns.
  virtual void split(std::string_view text, const Sink& sink) const = 0;
};

/// What becomes of the matches of a Split step, in the words of tokenizer.json.
enum class SplitBehavior { kRemoved, kIsolated, kMergedWithPrevious, kMergedWithNext, kContiguous };

/// "ByteLevel": GPT-2's pattern where `use_pattern`, and a space before a text that does not begin with one where `prefix_space`.
std::unique_ptr<PreTokenizerStep> byte_level_step(bool prefix_space, bool use_pattern);
/// "Split". `invert`: what the pattern does not match is the delimiter.
std::unique_ptr<PreTokenizerStep> split_step(Regex pattern, SplitBehavior behavior, bool invert);
/// "Digits": numbers apart from the rest, each on its own where `individual`.
std::unique_ptr<PreTokenizerStep> digits_step(bool individual);

class PreTokenizer {
 public:
  void add(std::unique_ptr<PreTokenizerStep> step) { steps_.push_back(std::move(step)); }
  /// Without any step the whole text is one piece.
  void split(std::string_view text, const Sink& sink) const { run(0, text, sink); }

 private:
  void run(size_t step, std::string_view text, const Sink& sink) const;
  std::vector<std::unique_ptr<PreTokenizerStep>> steps_;
};

}  // namespace spectra::text
