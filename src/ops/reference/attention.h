// SPDX-License-Identifier: Apache-2.0
#pragma once
// Causal softmax attention (Vaswani et al. 2017, equation 1). Query head h reads key/value head h / (H/K).
// Scores are computed where they are needed, twice, rather than kept: no T x T matrix.
#include <algorithm>
#include <cmath>
#include <limits>

#include "ops/backend.h"
#include "ops/reference/matrix.h"

namespace spectra::ops::reference {

/// One head of one sequence inside qkv or dqkv; each pointer is row 0 of the sequence, rows are `stride` apart.
template <class T>
struct AttentionHead {
  T *q, *k, *v;
  int64_t stride, dim;

  AttentionHead(Matrix<T> qkv, const AttentionShape& shape, int64_t b, int64_t h) : stride(qkv.stride), dim(shape.head_dim) {
    T* row = qkv.row(b * shape.time);
    const int64_t kv = h / (shape.heads / shape.kv_heads);
    q = row + h * dim;
    k = row + (shape.heads + kv) * dim;
    v = row + (shape.heads + shape.kv_heads + kv) * dim;
  }
  /// q_t · k_j / sqrt(E)
  T score(int64_t t, int64_t j) const {
    T sum = 0;
    for (int64_t e = 0; e < dim; ++e) sum += q[t * stride + e] * k[j * stride + e];
    return sum / std::sqrt(static_cast<T>(dim));
  }
};

/// The first key that query t of sequence b sees.
inline int64_t first_key(const AttentionShape& shape, int64_t b, int64_t t) {
  return shape.first_key == nullptr ? 0 : shape.first_key[b * shape.time + t];
}

template <class T>
void attend(const AttentionHead<T>& head, int64_t first, int64_t t, T* out, T& lse) {
  T largest = -std::numeric_limits<T>::infinity(), sum = 0;
  for (int64_t j = first; j <= t; ++j) largest = std::max(largest, head.score(t, j));
  std::fill_n(out, head.dim, T(0));
  for (int64_t j = first; j <= t; ++j) {
    const T p = std::exp(head.score(t, j) - largest);
    sum += p;
    for (int64_t e = 0; e < head.dim; ++e) out[e] += p * head.v[j * head.stride + e];
  }
  for (int64_t e = 0; e < head.dim; ++e) out[e] /= sum;
  lse = largest + std::log(sum);
}

template <class T>
void attention(Matrix<T> out, T* lse, Matrix<T> qkv, const AttentionShape& shape) {
  for (int64_t b = 0; b < shape.batch; ++b) {
    for (int64_t h = 0; h < shape.heads; ++h) {
      const AttentionHead<T> head(qkv, shape, b, h);
      for (int64_t t = 0; t < shape.time; ++t) {
        T* to = out.row(b * shape.time + t) + h * shape.head_dim;
        attend(head, first_key(shape, b, t), t, to, lse[(b * shape.heads + h) * shape.time + t]);
      }
    }
  }
}

/// One query of one head: its gradient, output, log-sum-exp and the keys [first, t] that it sees.
template <class T>
struct Query {
  const T *dout, *out;
  T lse;
  int64_t first, t;
};

/// Adds the gradients that one query causes. With p_j = exp(s_j - lse) and dp_j = dout · v_j:
/// ds_j = p_j (dp_j - Σ p dp), and Σ p dp = dout · out (Dao 2023, FlashAttention-2, algorithm 2).
template <class T>
void attend_backward(const AttentionHead<T>& grad, const AttentionHead<T>& head, const Query<T>& query) {
  const int64_t stride = head.stride, dim = head.dim, t = query.t;
  const T *dout = query.dout, *out = query.out;
  T mean = 0;
  for (int64_t e = 0; e < dim; ++e) mean += dout[e] * out[e];
  for (int64_t j = query.first; j <= t; ++j) {
    const T p = std::exp(head.score(t, j) - query.lse);
    T dp = 0;
    for (int64_t e = 0; e < dim; ++e) dp += dout[e] * head.v[j * stride + e];
    const T ds = p * (dp - mean) / std::sqrt(static_cast<T>(dim));
    for (int64_t e = 0; e < dim; ++e) {
      grad.q[t * grad.stride + e] += ds * head.k[j * stride + e];
      grad.k[j * grad.stride + e] += ds * head.q[t * stride + e];
      grad.v[j * grad.stride + e] += p * dout[e];
    }
  }
}

template <class T>
void attention_backward(Matrix<T> dqkv, Matrix<T> dout, Matrix<T> out, const T* lse, Matrix<T> qkv, const AttentionShape& shape) {
  for (int64_t n = 0; n < dqkv.rows; ++n) std::fill_n(dqkv.row(n), dqkv.cols, T(0));
  for (int64_t b = 0; b < shape.batch; ++b) {
    for (int64_t h = 0; h < shape.heads; ++h) {
      const AttentionHead<T> head(qkv, shape, b, h), grad(dqkv, shape, b, h);
      for (int64_t t = 0; t < shape.time; ++t) {
        const int64_t n = b * shape.time + t, column = h * shape.head_dim;
        const T sum = lse[(b * shape.heads + h) * shape.time + t];
        attend_backward(grad, head, Query<T>{dout.row(n) + column, out.row(n) + column, sum, first_key(shape, b, t), t});
      }
    }
  }
}

}  // namespace spectra::ops::reference
