// SPDX-License-Identifier: Apache-2.0
#pragma once
// Softmax attention (Vaswani et al. 2017, equation 1). Query head h reads key/value head h / (H/K).
// Scores are computed where they are needed, twice, rather than kept: no Tq x Tk matrix.
#include <algorithm>
#include <cmath>
#include <limits>

#include "ops/backend.h"
#include "ops/reference/matrix.h"

namespace spectra::ops::reference {

template <class T>
struct QkvMatrices {
  Matrix<T> q, k, v;
  explicit QkvMatrices(const Qkv& of) : q(matrix<T>(of.q)), k(matrix<T>(of.k)), v(matrix<T>(of.v)) {}
};

/// One head of one sequence: row t of q is query t, row j of k and v is key j.
template <class T>
struct AttentionHead {
  Matrix<T> q, k, v;
  int64_t dim;

  AttentionHead(const QkvMatrices<T>& all, const AttentionShape& shape, int64_t b, int64_t h) : dim(shape.head_dim) {
    const int64_t kv = h / (shape.heads / shape.kv_heads);
    const auto head = [this](const Matrix<T>& x, int64_t time, int64_t sequence, int64_t index) {
      return Matrix<T>{x.row(sequence * time) + index * dim, time, dim, x.stride};
    };
    q = head(all.q, shape.queries, b, h);
    k = head(all.k, shape.keys, b, kv);
    v = head(all.v, shape.keys, b, kv);
  }
  /// q_t · k_j / sqrt(E)
  T score(int64_t t, int64_t j) const {
    T sum = 0;
    for (int64_t e = 0; e < dim; ++e) sum += q(t, e) * k(j, e);
    return sum / std::sqrt(static_cast<T>(dim));
  }
};

/// The keys [begin, end) that a query sees.
struct KeyRange {
  int64_t begin, end;
};
inline KeyRange keys_of(const AttentionShape& shape, int64_t b, int64_t t) {
  const Mask& mask = shape.mask;
  const int64_t document = mask.first_key == nullptr ? 0 : mask.first_key[b * shape.queries + t];
  if (mask.kind == MaskKind::kNone) return {document, shape.keys};
  return {std::max(document, mask.kind == MaskKind::kWindow ? t + 1 - mask.window : 0), t + 1};
}

template <class T>
void attend(const AttentionHead<T>& head, KeyRange keys, int64_t t, T* out, T& lse) {
  T largest = -std::numeric_limits<T>::infinity(), sum = 0;
  for (int64_t j = keys.begin; j < keys.end; ++j) largest = std::max(largest, head.score(t, j));
  std::fill_n(out, head.dim, T(0));
  for (int64_t j = keys.begin; j < keys.end; ++j) {
    const T p = std::exp(head.score(t, j) - largest);
    sum += p;
    for (int64_t e = 0; e < head.dim; ++e) out[e] += p * head.v(j, e);
  }
  for (int64_t e = 0; e < head.dim; ++e) out[e] /= sum;
  lse = largest + std::log(sum);
}

template <class T>
void attention(Matrix<T> out, T* lse, const Qkv& in, const AttentionShape& shape) {
  const QkvMatrices<T> all(in);
  for (int64_t b = 0; b < shape.batch; ++b) {
    for (int64_t h = 0; h < shape.heads; ++h) {
      const AttentionHead<T> head(all, shape, b, h);
      for (int64_t t = 0; t < shape.queries; ++t) {
        T* to = out.row(b * shape.queries + t) + h * shape.head_dim;
        attend(head, keys_of(shape, b, t), t, to, lse[(b * shape.heads + h) * shape.queries + t]);
      }
    }
  }
}

/// One query of one head: its gradient, output, log-sum-exp and the keys that it sees.
template <class T>
struct Query {
  const T *dout, *out;
  T lse;
  KeyRange keys;
  int64_t t;
};

/// Adds the gradients that one query causes. With p_j = exp(s_j - lse) and dp_j = dout · v_j:
/// ds_j = p_j (dp_j - Σ p dp), and Σ p dp = dout · out (Dao 2023, FlashAttention-2, algorithm 2).
template <class T>
void attend_backward(const AttentionHead<T>& grad, const AttentionHead<T>& head, const Query<T>& query) {
  const int64_t dim = head.dim, t = query.t;
  const T *dout = query.dout, *out = query.out;
  T mean = 0;
  for (int64_t e = 0; e < dim; ++e) mean += dout[e] * out[e];
  for (int64_t j = query.keys.begin; j < query.keys.end; ++j) {
    const T p = std::exp(head.score(t, j) - query.lse);
    T dp = 0;
    for (int64_t e = 0; e < dim; ++e) dp += dout[e] * head.v(j, e);
    const T ds = p * (dp - mean) / std::sqrt(static_cast<T>(dim));
    for (int64_t e = 0; e < dim; ++e) {
      grad.q(t, e) += ds * head.k(j, e);
      grad.k(j, e) += ds * head.q(t, e);
      grad.v(j, e) += p * dout[e];
    }
  }
}

template <class T>
void attention_backward(const Qkv& d, Matrix<T> dout, Matrix<T> out, const T* lse, const Qkv& in, const AttentionShape& shape) {
  const QkvMatrices<T> all(in), gradients(d);
  for (const Matrix<T>& x : {gradients.q, gradients.k, gradients.v})
    for (int64_t n = 0; n < x.rows; ++n) std::fill_n(x.row(n), x.cols, T(0));
  for (int64_t b = 0; b < shape.batch; ++b) {
    for (int64_t h = 0; h < shape.heads; ++h) {
      const AttentionHead<T> head(all, shape, b, h), grad(gradients, shape, b, h);
      for (int64_t t = 0; t < shape.queries; ++t) {
        const int64_t n = b * shape.queries + t, column = h * shape.head_dim;
        const T sum = lse[(b * shape.heads + h) * shape.queries + t];
        attend_backward(grad, head, Query<T>{dout.row(n) + column, out.row(n) + column, sum, keys_of(shape, b, t), t});
      }
    }
  }
}

}  // namespace spectra::ops::reference
