// SPDX-License-Identifier: Apache-2.0
#include "ops/reference/reference_backend.h"

#include <type_traits>

#include "ops/reference/attention.h"
#include "ops/reference/embedding.h"
#include "ops/reference/glu.h"
#include "ops/reference/inner.h"
#include "ops/reference/linear.h"
#include "ops/reference/loss.h"
#include "ops/reference/memory.h"
#include "ops/reference/norm.h"
#include "ops/reference/optimizer.h"
#include "ops/reference/quantize.h"
#include "ops/reference/rope.h"

namespace spectra::ops {

using reference::matrix;

template <class T>
std::string ReferenceBackend<T>::name() const {
  return std::is_same_v<T, double> ? "reference-fp64" : "reference";
}

template <class T>
void ReferenceBackend<T>::copy_in(Tensor to, const float* from) {
  for (int64_t r = 0; r < to.rows; ++r) {
    for (int64_t c = 0; c < to.cols; ++c) reference::set(to, r, c, static_cast<double>(*from++));
  }
}

template <class T>
void ReferenceBackend<T>::copy_out(float* to, Tensor from) {
  for (int64_t r = 0; r < from.rows; ++r) {
    for (int64_t c = 0; c < from.cols; ++c) *to++ = static_cast<float>(reference::get(from, r, c));
  }
}

template <class T>
void ReferenceBackend<T>::zero(Tensor x) {
  for (int64_t r = 0; r < x.rows; ++r) {
    for (int64_t c = 0; c < x.cols; ++c) reference::set(x, r, c, 0);
  }
}

template <class T>
void ReferenceBackend<T>::add(Tensor y, Tensor x) {
  SPECTRA_CHECK(y.rows == x.rows && y.cols == x.cols, "{} x {} += {} x {}", y.rows, y.cols, x.rows, x.cols);
  for (int64_t r = 0; r < y.rows; ++r) {
    for (int64_t c = 0; c < y.cols; ++c) reference::set(y, r, c, reference::get(y, r, c) + reference::get(x, r, c));
  }
}

template <class T>
void ReferenceBackend<T>::quantize_weight(const QuantizedWeight& out, WeightKind kind, int64_t row_begin, Tensor w, Tensor stats) {
  reference::quantize_weight<T>(out, kind, row_begin, w, stats);
}

template <class T>
void ReferenceBackend<T>::linear(Tensor y, Tensor x, const QuantizedWeight& w, bool accumulate) {
  SPECTRA_CHECK(y.rows == x.rows && y.cols == w.codes.rows && x.cols == w.codes.cols);
  reference::linear(matrix<T>(y), matrix<T>(x), reference::ScaledWeight<T>(w), accumulate);
}

template <class T>
void ReferenceBackend<T>::linear_dx(Tensor dx, Tensor dy, const QuantizedWeight& w, bool accumulate) {
  SPECTRA_CHECK(dx.rows == dy.rows && dy.cols == w.codes.rows && dx.cols == w.codes.cols);
  reference::linear_dx(matrix<T>(dx), matrix<T>(dy), reference::ScaledWeight<T>(w), accumulate);
}

template <class T>
void ReferenceBackend<T>::linear_dw(Tensor dw, Tensor dy, Tensor x) {
  SPECTRA_CHECK(dy.rows == x.rows && dw.rows == dy.cols && dw.cols == x.cols);
  reference::linear_dw(matrix<T>(dw), matrix<T>(dy), matrix<T>(x));
}

template <class T>
void ReferenceBackend<T>::embedding(Tensor x, const int32_t* tokens, Tensor table) {
  reference::embedding(matrix<T>(x), tokens, matrix<T>(table));
}

template <class T>
void ReferenceBackend<T>::embedding_backward(Tensor dtable, const int32_t* tokens, Tensor dx) {
  reference::embedding_backward(matrix<T>(dtable), tokens, matrix<T>(dx));
}

template <class T>
void ReferenceBackend<T>::rmsnorm(Tensor y, Tensor rstd, Tensor x, Tensor residual, Tensor w, float eps) {
  if (residual.data != nullptr) add(x, residual);
  reference::rmsnorm(matrix<T>(y), rstd.as<T>(), matrix<T>(x), w.as<T>(), static_cast<T>(eps));
}

template <class T>
void ReferenceBackend<T>::rmsnorm_backward(Tensor dx, Tensor dw, Tensor dy, Tensor x, Tensor rstd, Tensor w) {
  reference::rmsnorm_backward(matrix<T>(dx), dw.as<T>(), matrix<T>(dy), matrix<T>(x), rstd.as<T>(), w.as<T>());
}

template <class T>
void ReferenceBackend<T>::rope(Tensor x, int64_t heads, int64_t time, const Rotation& rotation, bool inverse) {
  reference::rope(matrix<T>(x), heads, time, rotation, inverse);
}

template <class T>
void ReferenceBackend<T>::attention(Tensor out, Tensor lse, const Qkv& in, const AttentionShape& shape) {
  reference::attention(matrix<T>(out), lse.as<T>(), in, shape);
}

template <class T>
void ReferenceBackend<T>::attention_backward(const Qkv& d, Tensor dout, Tensor out, Tensor lse, const Qkv& in,
                                             const AttentionShape& shape) {
  reference::attention_backward(d, matrix<T>(dout), matrix<T>(out), lse.as<T>(), in, shape);
}

template <class T>
void ReferenceBackend<T>::glu(Tensor h, Tensor gate_up, Gate gate) {
  reference::glu(matrix<T>(h), matrix<T>(gate_up), gate);
}

template <class T>
void ReferenceBackend<T>::glu_backward(Tensor dgate_up, Tensor dh, Tensor gate_up, Gate gate) {
  reference::glu_backward(matrix<T>(dgate_up), matrix<T>(dh), matrix<T>(gate_up), gate);
}

template <class T>
void ReferenceBackend<T>::group_norm(Tensor y, Tensor rstd, Tensor x, Tensor w, float eps) {
  reference::group_norm<T>(matrix<T>(y), matrix<T>(rstd), matrix<T>(x), w.data == nullptr ? nullptr : w.as<T>(),
                           static_cast<T>(eps));
}

template <class T>
void ReferenceBackend<T>::group_norm_backward(Tensor dx, Tensor dw, Tensor dy, Tensor x, Tensor rstd, Tensor w) {
  const bool weighted = w.data != nullptr;
  reference::group_norm_backward<T>(matrix<T>(dx), weighted ? dw.as<T>() : nullptr, matrix<T>(dy), matrix<T>(x), matrix<T>(rstd),
                                    weighted ? w.as<T>() : nullptr);
}

template <class T>
void ReferenceBackend<T>::add_bias(Tensor y, Tensor b) {
  reference::add_bias<T>(matrix<T>(y), b.as<T>());
}

template <class T>
void ReferenceBackend<T>::add_bias_backward(Tensor db, Tensor dy) {
  reference::add_bias_backward<T>(db.as<T>(), matrix<T>(dy));
}

template <class T>
void ReferenceBackend<T>::round_int8(Tensor y, Tensor x) {
  reference::round_int8(matrix<T>(y), matrix<T>(x));
}

template <class T>
void ReferenceBackend<T>::cross_entropy(Tensor loss, Tensor dlogits, Tensor logprobs, Tensor logits, const int32_t* targets,
                                        float scale) {
  reference::Matrix<T> gradient{};
  if (dlogits.data != nullptr) gradient = matrix<T>(dlogits);
  reference::cross_entropy(*loss.as<double>(), dlogits.data == nullptr ? nullptr : &gradient,
                           logprobs.data == nullptr ? nullptr : logprobs.as<T>(), matrix<T>(logits), targets,
                           static_cast<T>(scale));
}

template <class T>
void ReferenceBackend<T>::sum_squares(Tensor out, Tensor x) {
  *out.as<double>() += reference::sum_squares(matrix<T>(x));
}

template <class T>
void ReferenceBackend<T>::adamw(Tensor w, Tensor g, Tensor m, Tensor v, const AdamW& hyper, double norm_squared, float clip) {
  reference::adamw(matrix<T>(w), matrix<T>(g), {matrix<T>(m), matrix<T>(v)}, hyper, norm_squared, static_cast<double>(clip));
}

template class ReferenceBackend<float>;
template class ReferenceBackend<double>;

}  // namespace spectra::ops
