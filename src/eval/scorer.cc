// SPDX-License-Identifier: Apache-2.0
#include "eval/scorer.h"

#include <algorithm>

#include "base/error.h"
#include "base/system.h"

namespace spectra::eval {
namespace {

using infer::kPagePositions;

/// Length of the common beginning of what the model reads.
int64_t common(const TokenRequest& a, const TokenRequest& b) {
  const int64_t most = std::min(a.inputs(), b.inputs());
  const auto end = a.tokens.begin() + most;
  return std::mismatch(a.tokens.begin(), end, b.tokens.begin()).first - a.tokens.begin();
}

std::span<const int32_t> first_tokens(const TokenRequest& request, int64_t count) {
  return std::span(request.tokens).first(static_cast<size_t>(count));
}

}  // namespace

/// An item on its way through the model.
struct Scorer::Lane {
  ScoreItem item;
  std::vector<size_t> order;                 // of the requests: by their tokens
  std::vector<int64_t> shared;               // inputs that order[i] has in common with order[i - 1]
  std::vector<std::vector<float>> logprobs;  // of each request's scored tokens
  std::vector<uint8_t> greedy;
  std::vector<infer::Target> targets;  // of step `at_step`: row = position
  int64_t prefix = 0;                  // inputs that all requests have in common and that nobody's score needs logits of
  int64_t pages = 0;                   // it can come to fill
  int32_t sequence = -1;
  size_t step = 0;       // request in `order` being computed
  int64_t position = 0;  // next input of it
  bool stored = false;   // prefix pages are in the index

  const TokenRequest& request(size_t i) const { return item.requests[order[i]]; }
  int64_t end() const { return request(step).inputs(); }
  bool done() const { return step == order.size(); }
  /// Skips requests that add no input of their own.
  void settle() {
    while (!done() && position == end())
      if (++step < order.size()) position = shared[step];
  }
};

Scorer::Scorer(infer::Engine& engine, int64_t batch_tokens)
    : engine_(engine), batch_tokens_(batch_tokens), prefixes_(engine.kv()) {}

Scorer::~Scorer() {
  for (const auto& lane : lanes_)
    if (lane->sequence >= 0) engine_.close_sequence(lane->sequence);
}

std::unique_ptr<Scorer::Lane> Scorer::make_lane(ScoreItem item) const {
  auto lane = std::make_unique<Lane>();
  lane->item = std::move(item);
  const std::vector<TokenRequest>& requests = lane->item.requests;
  int64_t longest = 0, first_row = INT64_MAX;
  for (size_t i = 0; i < requests.size(); ++i) {
    SPECTRA_CHECK(requests[i].scored > 0 && requests[i].first_scored() > 0 && requests[i].inputs() <= engine_.context(), "{} of {}",
                  requests[i].scored, requests[i].tokens.size());
    lane->order.push_back(i);
    lane->logprobs.emplace_back(static_cast<size_t>(requests[i].scored));
    lane->greedy.push_back(1);
    longest = std::max(longest, requests[i].inputs());
    first_row = std::min(first_row, requests[i].first_scored() - 1);
  }
  std::stable_sort(lane->order.begin(), lane->order.end(),
                   [&](size_t a, size_t b) { return requests[a].tokens < requests[b].tokens; });
  lane->shared.push_back(0);
  lane->prefix = first_row;
  for (size_t i = 1; i < requests.size(); ++i) {
    lane->shared.push_back(common(lane->request(i - 1), lane->request(i)));
    lane->prefix = std::min(lane->prefix, lane->shared.back());
  }
  lane->pages = infer::kv_pages(longest);
  return lane;
}

/// Somebody else is computing the page after the first `have` tokens of the lane: it is better to wait for it.
bool Scorer::about_to_compute(const Lane& lane, int64_t have) const {
  const int64_t wanted = have + kPagePositions;
  if (wanted > lane.prefix) return false;
  return std::any_of(lanes_.begin(), lanes_.end(), [&](const auto& other) {
    return !other->stored && other->prefix >= wanted &&
           std::equal(other->request(0).tokens.begin(), other->request(0).tokens.begin() + wanted, lane.request(0).tokens.begin());
  });
}

/// Opens the lane's sequence with the pages that are there already. False: not yet.
bool Scorer::admit(Lane& lane) {
  const infer::PrefixIndex::Match match = prefixes_.find(first_tokens(lane.request(0), lane.prefix));
  const auto have = static_cast<int64_t>(match.pages.size()) * kPagePositions;
  if (!lanes_.empty() && (reserved_pages_ + lane.pages > engine_.kv().pages() || about_to_compute(lane, have))) return false;
  lane.sequence = engine_.open_sequence(match.pages, have);
  lane.position = have;
  reserved_pages_ += lane.pages;
  return true;
}

/// Puts at most `budget` inputs of the lane's step into the batch, with the targets of their rows. Returns how many.
int64_t Scorer::schedule(Lane& lane, int64_t budget) {
  const TokenRequest& request = lane.request(lane.step);
  const int64_t begin = lane.position, end = std::min(lane.end(), begin + budget);
  const auto first_row = static_cast<int64_t>(batch_.tokens.size());
  for (int64_t p = begin; p < end; ++p) batch_.add(request.tokens[static_cast<size_t>(p)], static_cast<int32_t>(p), lane.sequence);
  // This request and those after it that still share the row: the input at position p predicts token p + 1.
  int64_t still = end;
  for (size_t i = lane.step; i < lane.order.size(); ++i) {
    if (i > lane.step) still = std::min(still, lane.shared[i]);
    if (still <= begin) break;
    const TokenRequest& sharing = lane.request(i);
    const int64_t first = sharing.first_scored();
    for (int64_t p = std::max(begin, first - 1); p < still; ++p) {
      batch_.targets.push_back({static_cast<int32_t>(first_row + p - begin), sharing.tokens[static_cast<size_t>(p + 1)]});
      wanted_.push_back({&lane, lane.order[i], static_cast<size_t>(p + 1 - first)});
    }
  }
  lane.position = end;
  return end - begin;
}

/// Once its first request is computed, a lane's full pages of the common beginning may be taken over by others.
void Scorer::store_prefix(Lane& lane) {
  if (lane.stored || (lane.step == 0 && lane.position < lane.prefix)) return;
  lane.stored = true;
  uint64_t last = infer::PrefixIndex::kStart;
  const std::vector<int32_t>& pages = engine_.sequence(lane.sequence).pages;
  for (int64_t begin = 0; begin + kPagePositions <= lane.prefix; begin += kPagePositions)
    last = prefixes_.add(last, first_tokens(lane.request(0), lane.prefix).subspan(static_cast<size_t>(begin), kPagePositions),
                         pages[static_cast<size_t>(begin / kPagePositions)]);
}

void Scorer::forward() {
  check_interrupted();
  const infer::Results& results = engine_.forward(batch_);
  ++stats_.passes;
  stats_.computed_tokens += static_cast<int64_t>(batch_.tokens.size());
  for (size_t i = 0; i < wanted_.size(); ++i) {
    const Wanted& w = wanted_[i];
    w.lane->logprobs[w.request][w.token] = results.scores[i].logprob;
    w.lane->greedy[w.request] &= static_cast<uint8_t>(results.scores[i].top);
  }
  batch_ = infer::Batch();
  wanted_.clear();
}

void Scorer::run(const std::function<std::optional<ScoreItem>()>& next,
                 const std::function<void(size_t, const std::vector<RequestScore>&)>& done) {
  std::unique_ptr<Lane> waiting;
  for (bool more = true; more || waiting || !lanes_.empty();) {
    int64_t budget = batch_tokens_;
    for (const auto& lane : lanes_)
      if (budget > 0) budget -= schedule(*lane, budget);
    while (budget > 0 && (waiting || more)) {
      if (!waiting) {
        std::optional<ScoreItem> item = next();
        if (!item) {
          more = false;
          break;
        }
        if (item->requests.empty()) {
          done(item->index, {});
          continue;
        }
        waiting = make_lane(std::move(*item));
        for (const TokenRequest& request : waiting->item.requests) stats_.request_tokens += request.inputs();
      }
      if (!admit(*waiting)) break;
      lanes_.push_back(std::move(waiting));
      budget -= schedule(*lanes_.back(), budget);
    }
    if (lanes_.empty()) continue;
    forward();
    for (const auto& lane : lanes_) {
      store_prefix(*lane);
      lane->settle();
    }
    const auto finished = std::stable_partition(lanes_.begin(), lanes_.end(), [](const auto& lane) { return !lane->done(); });
    for (auto lane = finished; lane != lanes_.end(); ++lane) {
      engine_.close_sequence((*lane)->sequence);
      (*lane)->sequence = -1;
      reserved_pages_ -= (*lane)->pages;
      std::vector<RequestScore> scores;
      for (size_t i = 0; i < (*lane)->logprobs.size(); ++i) {
        scores.push_back({0, (*lane)->greedy[i] != 0});
        for (const float logprob : (*lane)->logprobs[i]) scores.back().logprob += logprob;
      }
      done((*lane)->item.index, scores);
    }
    lanes_.erase(finished, lanes_.end());
  }
}

RequestScore score_alone(infer::Engine& engine, const TokenRequest& request) {
  RequestScore score{0, true};
  const int32_t sequence = engine.open_sequence();
  for (int64_t begin = 0; begin < request.inputs(); begin += infer::Engine::kBatchTokens) {
    infer::Batch batch;
    for (int64_t p = begin; p < std::min(request.inputs(), begin + infer::Engine::kBatchTokens); ++p) {
      batch.add(request.tokens[static_cast<size_t>(p)], static_cast<int32_t>(p), sequence);
      if (p + 1 >= request.first_scored())
        batch.targets.push_back({static_cast<int32_t>(p - begin), request.tokens[static_cast<size_t>(p + 1)]});
    }
    for (const infer::TargetScore& target : engine.forward(batch).scores) {
      score.logprob += target.logprob;
      score.greedy = score.greedy && target.top;
    }
  }
  engine.close_sequence(sequence);
  return score;
}

}  // namespace spectra::eval
