// SPDX-License-Identifier: Apache-2.0
#include "text/pre_tokenizer.h"

#include "text/gpt2_pattern.h"
#include "text/unicode.h"

namespace spectra::text {
namespace {

class ByteLevelStep : public PreTokenizerStep {
 public:
  ByteLevelStep(bool prefix_space, bool use_pattern) : prefix_space_(prefix_space), use_pattern_(use_pattern) {}
  void split(std::string_view text, const Sink& sink) const override {
    if (text.empty()) return;
    std::string prefixed;
    if (prefix_space_ && text.front() != ' ') {
      prefixed.append(" ").append(text);
      text = prefixed;
    }
    if (!use_pattern_) return sink(text);
    for (size_t at = 0; at < text.size();) {
      const size_t end = gpt2_match_end(text, at);
      sink(text.substr(at, end - at));
      at = end;
    }
  }

 private:
  bool prefix_space_, use_pattern_;
};

/// Joins the alternation of matches and gaps to pieces as `behavior` says. One piece is held back until its end is known.
class Joiner {
 public:
  Joiner(std::string_view text, SplitBehavior behavior, const Sink& sink) : text_(text), behavior_(behavior), sink_(sink) {}
  void add(size_t begin, size_t end, bool match) {
    if (begin == end) return;
    if (pending_ && joins(match)) {
      end_ = end;
      joined_ = true;
    } else {
      flush();
      pending_ = true;
      begin_ = begin;
      end_ = end;
      joined_ = false;
    }
    match_ = match;
  }
  void flush() {
    const bool dropped = behavior_ == SplitBehavior::kRemoved && match_;
    if (pending_ && !dropped) sink_(text_.substr(begin_, end_ - begin_));
    pending_ = false;
  }

 private:
  bool joins(bool match) const {
    switch (behavior_) {
      case SplitBehavior::kMergedWithPrevious:
        return match && !match_;
      case SplitBehavior::kMergedWithNext:
        return !match && match_ && !joined_;
      case SplitBehavior::kContiguous:
        return match == match_;
      default:
        return false;
    }
  }
  std::string_view text_;
  SplitBehavior behavior_;
  const Sink& sink_;
  size_t begin_ = 0, end_ = 0;
  bool pending_ = false, match_ = false, joined_ = false;
};

class SplitStep : public PreTokenizerStep {
 public:
  SplitStep(Regex pattern, SplitBehavior behavior, bool invert)
      : pattern_(std::move(pattern)), behavior_(behavior), invert_(invert) {}
  void split(std::string_view text, const Sink& sink) const override {
    Joiner joiner(text, behavior_, sink);
    size_t done = 0;
    pattern_.for_each(text, [&](size_t begin, size_t end) {
      joiner.add(done, begin, invert_);
      joiner.add(begin, end, !invert_);
      done = end;
    });
    joiner.add(done, text.size(), invert_);
    joiner.flush();
  }

 private:
  Regex pattern_;
  SplitBehavior behavior_;
  bool invert_;
};

class DigitsStep : public PreTokenizerStep {
 public:
  explicit DigitsStep(bool individual) : behavior_(individual ? SplitBehavior::kIsolated : SplitBehavior::kContiguous) {}
  void split(std::string_view text, const Sink& sink) const override {
    Joiner joiner(text, behavior_, sink);
    size_t gap = 0;
    for (size_t at = 0; at < text.size();) {
      const size_t begin = at;
      if (char_class(next_code_point(text, at)) != CharClass::kNumber) continue;
      joiner.add(gap, begin, false);
      joiner.add(begin, at, true);
      gap = at;
    }
    joiner.add(gap, text.size(), false);
    joiner.flush();
  }

 private:
  SplitBehavior behavior_;
};

}  // namespace

std::unique_ptr<PreTokenizerStep> byte_level_step(bool prefix_space, bool use_pattern) {
  return std::make_unique<ByteLevelStep>(prefix_space, use_pattern);
}
std::unique_ptr<PreTokenizerStep> split_step(Regex pattern, SplitBehavior behavior, bool invert) {
  return std::make_unique<SplitStep>(std::move(pattern), behavior, invert);
}
std::unique_ptr<PreTokenizerStep> digits_step(bool individual) { return std::make_unique<DigitsStep>(individual); }

void PreTokenizer::run(size_t step, std::string_view text, const Sink& sink) const {
  if (text.empty()) return;
  if (step == steps_.size()) return sink(text);
  if (step + 1 == steps_.size()) return steps_[step]->split(text, sink);
  steps_[step]->split(text, [&](std::string_view piece) { run(step + 1, piece, sink); });
}

}  // namespace spectra::text
