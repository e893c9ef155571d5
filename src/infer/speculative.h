// SPDX-License-Identifier: Apache-2.0
#pragma once
// One sequence, several tokens a forward pass (speculative decoding: Leviathan et al. 2023; Chen et al. 2023). A small model
// proposes tokens one by one, the large one looks at all of them at once and accepts each with probability min(1, p / q), where p
// and q are what the two would draw from, after all filters; in place of the first refused one a token is drawn from max(0, p - q).
// The tokens are distributed as if the large model had drawn them alone; greedy ones are the same.
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "infer/engine.h"
#include "infer/sampler.h"

namespace spectra::infer {

/// A sequence of an engine that knows its tokens. Closed with the object.
class TokenSequence {
 public:
  explicit TokenSequence(Engine& engine) : engine_(engine), id_(engine.open_sequence()) {}
  ~TokenSequence() { engine_.close_sequence(id_); }
  TokenSequence(const TokenSequence&) = delete;
  TokenSequence& operator=(const TokenSequence&) = delete;

  /// Logits (rows, V) after the last `rows` of `tokens`. Computes only what the sequence does not hold already: it may hold more,
  /// or other tokens, from an earlier call. Empty when interrupted.
  std::vector<float> logits(std::span<const int32_t> tokens, int64_t rows);
  bool empty() const { return tokens_.empty(); }
  int64_t context() const { return engine_.context(); }
  size_t vocab() const { return static_cast<size_t>(engine_.model().config.vocab); }

 private:
  Engine& engine_;
  int32_t id_;
  std::vector<int32_t> tokens_;
};

/// The model that proposes, with the tokens of the other one.
struct Draft {
  Engine* engine = nullptr;  ///< null = none: one token a forward pass
  int64_t tokens = 4;        ///< proposals a round
};

class Decoder {
 public:
  /// `vocab`: only tokens below are drawn. Throws Error as validate() does.
  Decoder(Engine& engine, const Draft& draft, const Sampling& sampling, size_t vocab);

  /// The tokens after `seen` (prompt and what was generated after it, `generated` tokens), in one forward pass of the engine: from
  /// 1 to `limit`, one in the first call. Empty when interrupted. `seen` fits the context, `limit` > 0.
  std::vector<int32_t> next(const std::vector<int32_t>& seen, uint64_t generated, int64_t limit);

  int64_t proposed() const { return proposed_; }
  int64_t accepted() const { return accepted_; }

 private:
  bool propose(std::vector<int32_t>& tokens, uint64_t generated, int64_t count);
  int32_t choose(int32_t proposal, const std::vector<double>& q, uint64_t step) const;

  TokenSequence target_;
  std::optional<TokenSequence> draft_;
  int64_t draft_tokens_;
  uint64_t seed_;
  Sampler sampler_;
  size_t vocab_;
  std::vector<std::vector<double>> proposals_;  // q of each proposed token
  int64_t proposed_ = 0, accepted_ = 0;
};

}  // namespace spectra::infer
