// SPDX-License-Identifier: Apache-2.0
#include "infer/sampler.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/rng.h"
#include "kernels/kernels.h"

namespace spectra::infer {
namespace {

constexpr size_t kWeightBlock = 512;           // weights that are added together
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
  candidates_.clear();
  if (changes_logits()) {
    changed_.assign(logits.begin(), logits.end());
    change_logits(seen);
    logits = changed_;
  }
  size_t best = logits.size();
  for (size_t i = 0; i < logits.size(); ++i)
    if (std::isfinite(logits[i]) && (best == logits.size() || logits[i] > logits[best])) best = i;
  if (best == logits.size()) throw bad_input("the model's output is not a number: its weights are damaged or overflowed");
  if (sampling_.temperature == 0) {
    candidates_.assign(1, {logits[best], static_cast<int32_t>(best), 1});
    return;
  }
  double total = weigh(logits, logits[best]);
  const bool top_k = sampling_.top_k > 0, top_p = sampling_.top_p < 1;
  if (!top_k && !top_p && sampling_.min_p == 0) return;
  // Tokens below this weight sum to less than (1 - p) of the total, so those that top_p keeps are all above it.
  const double floor = top_k ? 0 : (1 - sampling_.top_p) * total / static_cast<double>(logits.size());
  for (size_t i = 0; i < logits.size(); ++i)
    if (const double weight = weights_[i]; std::isfinite(logits[i]) && weight >= floor)
      candidates_.push_back({logits[i], static_cast<int32_t>(i), weight});
  if (top_k) {
    keep_top_k();
    total = 0;
    for (const Candidate& c : candidates_) total += c.weight;
  }
  if (top_p) keep_top_p(total);
  const double least = sampling_.min_p * static_cast<double>(weights_[best]);
  if (sampling_.min_p > 0) std::erase_if(candidates_, [least](const Candidate& c) { return c.weight < least; });
}

/// Probabilities of all tokens, nearly: their sum, which is returned, is 1 but for rounding. Those without a finite logit have
/// none.
double Sampler::weigh(std::span<const float> logits, float largest) {
  constexpr float kNever = -1000;                                                    // exp of it is 0
  const auto scale = static_cast<float>(std::min(1 / sampling_.temperature, 1e30));  // finite: the largest's 0 stays 0
  weights_.resize(logits.size());
  for (size_t i = 0; i < logits.size(); ++i) {
    const float x = (logits[i] - largest) * scale;
    weights_[i] = x > kNever && std::isfinite(logits[i]) ? x : kNever;
  }
  kernels::kernels().softmax(weights_.data(), weights_.size());
  sums_.clear();
  double total = 0;
  for (size_t begin = 0; begin < weights_.size(); begin += kWeightBlock) {
    const size_t end = std::min(begin + kWeightBlock, weights_.size());
    double parts[4] = {};  // which a processor adds side by side
    for (size_t i = begin; i < end; ++i) parts[i % 4] += static_cast<double>(weights_[i]);
    sums_.push_back(parts[0] + parts[1] + parts[2] + parts[3]);
    total += sums_.back();
  }
  return total;
}

std::vector<double> Sampler::probabilities(size_t size) const {
  std::vector<double> p(size);
  double total = 0;
  if (candidates_.empty()) {
    for (const double sum : sums_) total += sum;
    for (size_t i = 0; i < std::min(size, weights_.size()); ++i) p[i] = static_cast<double>(weights_[i]) / total;
  }
  for (const Candidate& c : candidates_) total += c.weight;
  for (const Candidate& c : candidates_) p[static_cast<size_t>(c.token)] = c.weight / total;
  return p;
}

bool Sampler::changes_logits() const {
  return sampling_.repetition_penalty != 1 || sampling_.presence_penalty != 0 || sampling_.frequency_penalty != 0 ||
         !sampling_.logit_bias.empty();
}

void Sampler::change_logits(std::span<const int32_t> seen) {
  for (const LogitBias& b : sampling_.logit_bias)
    if (static_cast<size_t>(b.token) < changed_.size()) changed_[static_cast<size_t>(b.token)] += static_cast<float>(b.bias);
  const auto repetition = static_cast<float>(sampling_.repetition_penalty),
             presence = static_cast<float>(sampling_.presence_penalty), frequency = static_cast<float>(sampling_.frequency_penalty);
  std::vector<bool> repeated(changed_.size()), present(changed_.size());
  for (size_t at = 0; at < seen.size(); ++at) {
    const auto i = static_cast<size_t>(seen[at]);
    if (i >= changed_.size()) continue;
    float& logit = changed_[i];
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

void Sampler::keep_top_p(double total) {
  std::sort(candidates_.begin(), candidates_.end(),
            [](const Candidate& a, const Candidate& b) { return a.logit != b.logit ? a.logit > b.logit : a.token < b.token; });
  double sum = 0;
  size_t kept = 0;
  while (kept < candidates_.size() && sum < sampling_.top_p * total) sum += candidates_[kept++].weight;
  candidates_.resize(kept);
}

int32_t Sampler::draw(uint64_t step) const {
  const double uniform = Rng(sampling_.seed, kSamplerStream).uniform_at(step);
  if (candidates_.empty()) return draw_of_all(uniform);
  double total = 0;
  for (const Candidate& c : candidates_) total += c.weight;
  double left = uniform * total;
  for (const Candidate& c : candidates_) {
    left -= c.weight;
    if (left < 0) return c.token;
  }
  return candidates_.back().token;  // rounding ate the last bit of the sum
}

int32_t Sampler::draw_of_all(double uniform) const {
  double left = 0;
  for (const double sum : sums_) left += sum;
  left *= uniform;
  size_t block = 0;
  while (block + 1 < sums_.size() && left >= sums_[block]) left -= sums_[block++];
  size_t last = weights_.size();  // with a weight
  for (size_t i = block * kWeightBlock; i < weights_.size(); ++i) {
    if (weights_[i] == 0) continue;
    last = i;
    left -= static_cast<double>(weights_[i]);
    if (left < 0) break;
  }
  if (last == weights_.size())  // rounding ate the last bit of the sum
    while (weights_[--last] == 0) {
    }
  return static_cast<int32_t>(last);
}

}  // namespace spectra::infer
