// SPDX-License-Identifier: Apache-2.0
#pragma once
// Softmax cross-entropy: -log softmax(logits)[target], with gradient softmax - onehot.
#include <algorithm>
#include <cmath>

#include "ops/reference/matrix.h"

namespace spectra::ops::reference {

/// `dlogits` and `logprobs` (n) may be null; rows with target < 0 get gradient 0 and log-probability 0.
template <class T>
void cross_entropy(double& loss, Matrix<T>* dlogits, T* logprobs, Matrix<T> logits, const int32_t* targets, T scale) {
  for (int64_t n = 0; n < logits.rows; ++n) {
    const T* x = logits.row(n);
    const int64_t vocab = logits.cols, target = targets[n];
    const T largest = *std::max_element(x, x + vocab);
    T sum = 0;
    for (int64_t v = 0; v < vocab; ++v) sum += std::exp(x[v] - largest);
    const T log_sum = largest + std::log(sum);
    const T logprob = target < 0 ? T(0) : x[target] - log_sum;
    loss -= static_cast<double>(logprob);
    if (logprobs != nullptr) logprobs[n] = logprob;
    if (dlogits == nullptr) continue;
    for (int64_t v = 0; v < vocab; ++v) {
      const T softmax = std::exp(x[v] - log_sum);
      (*dlogits)(n, v) = target < 0 ? T(0) : (softmax - (v == target ? T(1) : T(0))) * scale;
    }
  }
}

}  // namespace spectra::ops::reference
