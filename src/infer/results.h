// SPDX-License-Identifier: Apache-2.0
#pragma once
// What comes out of a forward pass.
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace spectra::infer {

struct TopToken {
  int32_t id;
  float logprob;
  bool operator==(const TopToken&) const = default;
};

/// What the model says of the token after one row of a batch, for as long as the Results stand. For one thread.
class NextToken {
 public:
  explicit NextToken(std::span<const float> logits) : logits_(logits) {}

  /// (V), of all rows of the head, padding included. Index = token.
  std::span<const float> logits() const { return logits_; }
  /// ln p(token), softmax over all V.
  float logprob(int32_t token);
  /// The `count` most probable tokens below `vocab`, among equals the smaller id first; those whose logit is not finite are left
  /// out.
  std::vector<TopToken> most_probable(int64_t count, size_t vocab);

 private:
  float log_sum();

  std::span<const float> logits_;
  std::optional<float> log_sum_;  ///< ln Σ exp(logit), once somebody asked for it
};

struct TargetScore {
  float logprob;  ///< ln p(token), softmax over all V rows of the head, padding included
  bool top;       ///< no other token has a larger logit (among equals the smallest id wins)
};

/// The answers to what a batch asked for. They stand until the engine's next forward pass.
struct Results {
  std::vector<float> logits;        ///< (logits_at.size(), V)
  std::vector<TargetScore> scores;  ///< (targets.size())
  size_t vocab = 0;                 ///< V

  /// What comes after the row logits_at[i].
  NextToken next(size_t i) const { return NextToken(std::span(logits).subspan(i * vocab, vocab)); }
};

}  // namespace spectra::infer
