// SPDX-License-Identifier: Apache-2.0
#pragma once
// Log-likelihoods of many requests, each the same bits as if it were scored alone.
//
// - The requests of one item (the choices of a question) go through one sequence, in the order of their tokens: the next one begins
//   where it departs from the one before, so what they share is computed once. A token's logits are taken in the pass that first
//   computes it, for all requests that go through it.
// - Items that begin alike (the examples of a few-shot prompt) take over each other's full pages (infer/prefix_index.h).
// - A forward pass has pieces of as many items as fill its budget of tokens.
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "eval/token_request.h"
#include "infer/engine.h"
#include "infer/prefix_index.h"

namespace spectra::eval {

struct RequestScore {
  double logprob = 0;   ///< sum over the scored tokens, in their order
  bool greedy = false;  ///< each was the most probable one
};

/// Requests that are worth computing together.
struct ScoreItem {
  size_t index = 0;  ///< the caller's
  std::vector<TokenRequest> requests;
};

class Scorer {
 public:
  struct Stats {
    int64_t passes = 0;
    int64_t computed_tokens = 0;  ///< that went through the model
    int64_t request_tokens = 0;   ///< that would have, each request alone
  };
  /// `batch_tokens`: of a forward pass. The engine's other sequences must leave it pages enough for the longest request.
  explicit Scorer(infer::Engine& engine, int64_t batch_tokens = infer::Engine::kBatchTokens);
  ~Scorer();
  Scorer(const Scorer&) = delete;
  Scorer& operator=(const Scorer&) = delete;

  /// Takes items from `next` until it gives none, and hands each one's scores to `done`. Throws Error (exit 130) on an interrupt.
  void run(const std::function<std::optional<ScoreItem>()>& next,
           const std::function<void(size_t, const std::vector<RequestScore>&)>& done);
  const Stats& stats() const { return stats_; }

 private:
  struct Lane;
  std::unique_ptr<Lane> make_lane(ScoreItem item) const;
  bool admit(Lane& lane);
  bool about_to_compute(const Lane& lane, int64_t have) const;
  int64_t schedule(Lane& lane, int64_t budget);
  void store_prefix(Lane& lane);
  void forward();

  infer::Engine& engine_;
  const int64_t batch_tokens_;
  infer::PrefixIndex prefixes_;
  std::deque<std::unique_ptr<Lane>> lanes_;
  int64_t reserved_pages_ = 0;
  Stats stats_;

  // Of the pass being made.
  infer::Batch batch_;
  struct Wanted {  // where a target's score goes
    Lane* lane;
    size_t request, token;
  };
  std::vector<Wanted> wanted_;  // of batch_.targets
};

/// Scores one request with nothing shared and nothing beside it: the plain twin of Scorer.
RequestScore score_alone(infer::Engine& engine, const TokenRequest& request);

}  // namespace spectra::eval
