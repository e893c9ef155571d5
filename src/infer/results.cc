// SPDX-License-Identifier: Apache-2.0
#include "infer/results.h"

#include <algorithm>
#include <cmath>

#include "kernels/kernels.h"

namespace spectra::infer {

float NextToken::log_sum() {
  if (!log_sum_) log_sum_ = kernels::kernels().log_sum_exp(logits_.data(), logits_.size());
  return *log_sum_;
}

float NextToken::logprob(int32_t token) { return logits_[static_cast<size_t>(token)] - log_sum(); }

std::vector<TopToken> NextToken::most_probable(int64_t count, size_t vocab) {
  std::vector<TopToken> top;
  const auto larger = [](float logit, const TopToken& other) { return logit > other.logprob; };  // still a logit
  for (size_t id = 0; id < vocab; ++id) {
    const float logit = logits_[id];
    const bool full = static_cast<int64_t>(top.size()) == count;
    if (!std::isfinite(logit) || (full && !larger(logit, top.back()))) continue;
    if (full) top.pop_back();
    top.insert(std::upper_bound(top.begin(), top.end(), logit, larger), {static_cast<int32_t>(id), logit});
  }
  for (TopToken& token : top) token.logprob -= log_sum();
  return top;
}

}  // namespace spectra::infer
