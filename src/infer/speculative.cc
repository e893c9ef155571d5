// SPDX-License-Identifier: Apache-2.0
#include "infer/speculative.h"

#include <algorithm>

#include "base/error.h"
#include "base/rng.h"
#include "base/system.h"

namespace spectra::infer {
namespace {

// Keep these numbers apart from the sampler's own and from each other. All are numbered by the place of the token in the text: a
// token that was proposed and not kept leaves nothing behind, so its place may use the same numbers again.
constexpr uint64_t kAcceptStream = 0xacce97, kInsteadStream = 0x125ead;

/// Draws from max(0, p - q), scaled to sum to 1; `otherwise` where nothing is left of it, p and q being equal but for rounding.
int32_t draw_rest(const std::vector<double>& p, const std::vector<double>& q, double uniform, int32_t otherwise) {
  double total = 0;
  for (size_t i = 0; i < p.size(); ++i) total += std::max(0.0, p[i] - q[i]);
  double left = uniform * total;
  int32_t last = otherwise;
  for (size_t i = 0; i < p.size() && left >= 0; ++i) {
    const double rest = std::max(0.0, p[i] - q[i]);
    if (rest > 0) last = static_cast<int32_t>(i);
    left -= rest;
  }
  return last;
}

}  // namespace

std::vector<float> TokenSequence::logits(std::span<const int32_t> tokens, int64_t rows) {
  const auto size = static_cast<int64_t>(tokens.size());
  SPECTRA_CHECK(rows > 0 && rows <= size, "{} rows of {} tokens", rows, size);
  const auto differ = std::mismatch(tokens_.begin(), tokens_.end(), tokens.begin(), tokens.end()).first;
  const int64_t held = std::min<int64_t>(differ - tokens_.begin(), size - rows);
  tokens_.resize(static_cast<size_t>(held));
  std::vector<float> logits;
  for (int64_t begin = held; begin < size; begin += Engine::kBatchTokens) {
    if (interrupted()) return {};
    Batch batch;
    for (int64_t i = begin; i < std::min(size, begin + Engine::kBatchTokens); ++i) {
      if (i >= size - rows) batch.logits_at.push_back(static_cast<int32_t>(i - begin));
      batch.add(tokens[static_cast<size_t>(i)], static_cast<int32_t>(i), id_);
    }
    const Results& results = engine_.forward(batch);
    logits.insert(logits.end(), results.logits.begin(), results.logits.end());
    tokens_.insert(tokens_.end(), batch.tokens.begin(), batch.tokens.end());
  }
  return logits;
}

Decoder::Decoder(Engine& engine, const Draft& draft, const Sampling& sampling, size_t vocab)
    : target_(engine), draft_tokens_(draft.tokens), seed_(sampling.seed), sampler_(sampling), vocab_(vocab) {
  if (draft.engine != nullptr) draft_.emplace(*draft.engine);
}

std::vector<int32_t> Decoder::next(const std::vector<int32_t>& seen, uint64_t generated, int64_t limit) {
  const auto size = static_cast<int64_t>(seen.size());
  int64_t count = 0;
  if (draft_ && !target_.empty())
    count = std::max<int64_t>(0, std::min({draft_tokens_, limit - 1, target_.context() - size, draft_->context() - size}));
  else if (draft_ && size <= draft_->context())
    draft_->logits(seen, 1);  // reads the prompt
  std::vector<int32_t> tokens = seen;
  if (!propose(tokens, generated, count)) return {};
  const std::vector<float> logits = target_.logits(tokens, count + 1);
  if (logits.empty()) return {};

  std::vector<int32_t> result;
  for (int64_t i = 0; i <= count; ++i) {
    const uint64_t step = generated + static_cast<uint64_t>(i);
    sampler_.filter(std::span(logits).subspan(static_cast<size_t>(i) * target_.vocab(), vocab_),
                    std::span(tokens).first(static_cast<size_t>(size + i)));
    if (i == count) {
      result.push_back(sampler_.draw(step));
      break;
    }
    const int32_t proposal = tokens[static_cast<size_t>(size + i)];
    result.push_back(choose(proposal, proposals_[static_cast<size_t>(i)], step));
    if (result.back() != proposal) break;
    ++accepted_;
  }
  return result;
}

/// Appends `count` tokens and fills proposals_. False when interrupted.
bool Decoder::propose(std::vector<int32_t>& tokens, uint64_t generated, int64_t count) {
  proposals_.clear();
  for (int64_t i = 0; i < count; ++i) {
    const std::vector<float> logits = draft_->logits(tokens, 1);
    if (logits.empty()) return false;
    sampler_.filter(std::span(logits).first(vocab_), tokens);
    proposals_.push_back(sampler_.probabilities(vocab_));
    tokens.push_back(sampler_.draw(generated + static_cast<uint64_t>(i)));
  }
  proposed_ += count;
  return true;
}

/// `proposal`, drawn from q, or the token in its place if the sampler's candidates refuse it.
int32_t Decoder::choose(int32_t proposal, const std::vector<double>& q, uint64_t step) const {
  const std::vector<double> p = sampler_.probabilities(vocab_);
  const auto at = static_cast<size_t>(proposal);
  if (Rng(seed_, kAcceptStream).uniform_at(step) * q[at] < p[at]) return proposal;
  return draw_rest(p, q, Rng(seed_, kInsteadStream).uniform_at(step), proposal);
}

}  // namespace spectra::infer
