// SPDX-License-Identifier: Apache-2.0
#include "infer/sampler.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/rng.h"

namespace spectra::infer {
namespace {

constexpr uint64_t kSamplerStream = 0x5a3b1e;  // keeps these numbers apart from other users of the same seed

void require(bool ok, const char* option, double value, const char* allowed) {
  if (!ok) throw Error(Exit::kUsage, fmt::format("{} {} is out of range", option, value), fmt::format("allowed: {}", allowed));
}

}  // namespace

void validate(const Sampling& s) {
  require(s.temperature >= 0 && std::isfinite(s.temperature), "temperature", s.temperature, "0 (greedy) or more");
  require(s.top_k >= 0, "top_k", static_cast<double>(s.top_k), "0 (off) or more");
  require(s.top_p > 0 && s.top_p <= 1, "top_p", s.top_p, "above 0, at most 1 (off)");
  require(s.min_p >= 0 && s.min_p <= 1, "min_p", s.min_p, "0 (off) to 1");
  require(s.repetition_penalty > 0 && std::isfinite(s.repetition_penalty), "repetition_penalty", s.repetition_penalty,
          "above 0; 1 is off, 1.1 is usual");
  require(std::isfinite(s.presence_penalty), "presence_penalty", s.presence_penalty, "a number; 0 is off");
  require(std::isfinite(s.frequency_penalty), "frequency_penalty", s.frequency_penalty, "a number; 0 is off");
  for (const LogitBias& b : s.logit_bias) {
    require(!std::isnan(b.bias), "logit_bias", b.bias, "a number");
    require(b.token >= 0, "token of logit_bias", b.token, "0 or more");
  }
}

void Sampler::set(const Sampling& sampling) {
  validate(sampling);
  sampling_ = sampling;
}

void Sampler::filter(std::span<const float> logits, std::span<const int32_t> seen) {
  const bool greedy = sampling_.temperature == 0;
  candidates_.clear();
  if (greedy && !changes_logits()) {  // the same as below, without a list of all tokens
    for (size_t i = 0; i < logits.size(); ++i)
      if (std::isfinite(logits[i]) && (candidates_.empty() || logits[i] > candidates_[0].logit))
        candidates_.assign(1, {logits[i], static_cast<int32_t>(i), 1});
  } else {
    for (size_t i = 0; i < logits.size(); ++i) candidates_.push_back({logits[i], static_cast<int32_t>(i), 1});
    change_logits(seen);
    std::erase_if(candidates_, [](const Candidate& c) { return !std::isfinite(c.logit); });
  }
  if (candidates_.empty()) throw bad_input("the model's output is not a number: its weights are damaged or overflowed");
  const Candidate best = *std::max_element(candidates_.begin(), candidates_.end(),
                                           [](const Candidate& a, const Candidate& b) { return a.logit < b.logit; });
  if (greedy) {
    candidates_.assign(1, best);
    return;
  }
  if (sampling_.top_k > 0) keep_top_k();
  for (Candidate& c : candidates_)
    c.weight = std::exp((static_cast<double>(c.logit) - static_cast<double>(best.logit)) / sampling_.temperature);
  if (sampling_.top_p < 1) keep_top_p();
  if (sampling_.min_p > 0) std::erase_if(candidates_, [&](const Candidate& c) { return c.weight < sampling_.min_p; });
}

std::vector<double> Sampler::probabilities(size_t size) const {
  double total = 0;
  for (const Candidate& c : candidates_) total += c.weight;
  std::vector<double> p(size);
  for (const Candidate& c : candidates_) p[static_cast<size_t>(c.token)] = c.weight / total;
  return p;
}

bool Sampler::changes_logits() const {
  return sampling_.repetition_penalty != 1 || sampling_.presence_penalty != 0 || sampling_.frequency_penalty != 0 ||
         !sampling_.logit_bias.empty();
}

/// candidates_[i] still is token i.
void Sampler::change_logits(std::span<const int32_t> seen) {
  if (!changes_logits()) return;
  for (const LogitBias& b : sampling_.logit_bias)
    if (static_cast<size_t>(b.token) < candidates_.size())
      candidates_[static_cast<size_t>(b.token)].logit += static_cast<float>(b.bias);
  const auto repetition = static_cast<float>(sampling_.repetition_penalty),
             presence = static_cast<float>(sampling_.presence_penalty), frequency = static_cast<float>(sampling_.frequency_penalty);
  std::vector<bool> repeated(candidates_.size()), present(candidates_.size());
  for (size_t at = 0; at < seen.size(); ++at) {
    const auto i = static_cast<size_t>(seen[at]);
    if (i >= candidates_.size()) continue;
    float& logit = candidates_[i].logit;
    if (!repeated[i]) logit = logit > 0 ? logit / repetition : logit * repetition;
    repeated[i] = true;
    if (static_cast<int64_t>(at) < sampling_.penalize_from) continue;
    if (!present[i]) logit -= presence;
    present[i] = true;
    logit -= frequency;
  }
}

void Sampler::keep_top_k() {
  if (candidates_.size() <= static_cast<size_t>(sampling_.top_k)) return;
  const auto end = candidates_.begin() + static_cast<ptrdiff_t>(sampling_.top_k);
  std::nth_element(candidates_.begin(), end, candidates_.end(), [](const Candidate& a, const Candidate& b) {
    return a.logit != b.logit ? a.logit > b.logit : a.token < b.token;
  });
  candidates_.erase(end, candidates_.end());
  // nth_element leaves an order that its implementation chose; sums and draws must not depend on it.
  std::sort(candidates_.begin(), candidates_.end(), [](const Candidate& a, const Candidate& b) { return a.token < b.token; });
}

void Sampler::keep_top_p() {
  double total = 0;
  for (const Candidate& c : candidates_) total += c.weight;
  // Tokens below this weight sum to less than (1 - p) of the total, so the kept ones are all above it: no need to sort the others.
  const double floor = (1 - sampling_.top_p) * total / static_cast<double>(candidates_.size());
  std::erase_if(candidates_, [floor](const Candidate& c) { return c.weight < floor; });
  std::sort(candidates_.begin(), candidates_.end(),
            [](const Candidate& a, const Candidate& b) { return a.logit != b.logit ? a.logit > b.logit : a.token < b.token; });
  double sum = 0;
  size_t kept = 0;
  while (kept < candidates_.size() && sum < sampling_.top_p * total) sum += candidates_[kept++].weight;
  candidates_.resize(kept);
}

int32_t Sampler::draw(uint64_t step) const {
  double total = 0;
  for (const Candidate& c : candidates_) total += c.weight;
  double left = Rng(sampling_.seed, kSamplerStream).uniform_at(step) * total;
  for (const Candidate& c : candidates_) {
    left -= c.weight;
    if (left < 0) return c.token;
  }
  return candidates_.back().token;  // rounding ate the last bit of the sum
}

}  // namespace spectra::infer
