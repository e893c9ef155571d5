// SPDX-License-Identifier: Apache-2.0
#include "ops/timed_backend.h"

#include <utility>

#include "base/stopwatch.h"

namespace spectra::ops {

const char* part_name(Part part) {
  constexpr const char* kNames[kParts] = {"linear",        "head",      "attention", "norms_swiglu_rope",
                                          "cross_entropy", "optimizer", "quantize",  "embedding"};
  return kNames[static_cast<size_t>(part)];
}

TimedBackend::TimedBackend(std::unique_ptr<Backend> inner, int64_t vocab) : inner_(std::move(inner)), vocab_(vocab) {}

template <class Op>
void TimedBackend::timed(Part part, Op op) {
  const Stopwatch watch;
  op();
  inner_->synchronize();
  seconds_[static_cast<size_t>(part)] += watch.seconds();
}

void TimedBackend::quantize_weight(const QuantizedWeight& out, WeightKind kind, int64_t row_begin, Tensor w, Tensor stats) {
  timed(Part::kQuantize, [&] { inner_->quantize_weight(out, kind, row_begin, w, stats); });
}

void TimedBackend::linear(Tensor y, Tensor x, const QuantizedWeight& w, bool accumulate) {
  timed(product(w.codes.rows), [&] { inner_->linear(y, x, w, accumulate); });
}

void TimedBackend::linear_dx(Tensor dx, Tensor dy, const QuantizedWeight& w, bool accumulate) {
  timed(product(w.codes.rows), [&] { inner_->linear_dx(dx, dy, w, accumulate); });
}

void TimedBackend::linear_dw(Tensor dw, Tensor dy, Tensor x) {
  timed(product(dw.rows), [&] { inner_->linear_dw(dw, dy, x); });
}

void TimedBackend::embedding(Tensor x, const int32_t* tokens, Tensor table) {
  timed(Part::kEmbedding, [&] { inner_->embedding(x, tokens, table); });
}

void TimedBackend::embedding_backward(Tensor dtable, const int32_t* tokens, Tensor dx) {
  timed(Part::kEmbedding, [&] { inner_->embedding_backward(dtable, tokens, dx); });
}

void TimedBackend::rmsnorm(Tensor y, Tensor rstd, Tensor x, Tensor residual, Tensor w, float eps) {
  timed(Part::kElementwise, [&] { inner_->rmsnorm(y, rstd, x, residual, w, eps); });
}

void TimedBackend::rmsnorm_backward(Tensor dx, Tensor dw, Tensor dy, Tensor x, Tensor rstd, Tensor w) {
  timed(Part::kElementwise, [&] { inner_->rmsnorm_backward(dx, dw, dy, x, rstd, w); });
}

void TimedBackend::rope(Tensor x, int64_t heads, int64_t time, const Rotation& rotation, bool inverse) {
  timed(Part::kElementwise, [&] { inner_->rope(x, heads, time, rotation, inverse); });
}

void TimedBackend::attention(Tensor out, Tensor lse, const Qkv& in, const AttentionShape& shape) {
  timed(Part::kAttention, [&] { inner_->attention(out, lse, in, shape); });
}

void TimedBackend::attention_backward(const Qkv& d, Tensor dout, Tensor out, Tensor lse, const Qkv& in,
                                      const AttentionShape& shape) {
  timed(Part::kAttention, [&] { inner_->attention_backward(d, dout, out, lse, in, shape); });
}

void TimedBackend::glu(Tensor h, Tensor gate_up, Gate gate) {
  timed(Part::kElementwise, [&] { inner_->glu(h, gate_up, gate); });
}

void TimedBackend::glu_backward(Tensor dgate_up, Tensor dh, Tensor gate_up, Gate gate) {
  timed(Part::kElementwise, [&] { inner_->glu_backward(dgate_up, dh, gate_up, gate); });
}

void TimedBackend::group_norm(Tensor y, Tensor rstd, Tensor x, Tensor w, float eps) {
  timed(Part::kElementwise, [&] { inner_->group_norm(y, rstd, x, w, eps); });
}

void TimedBackend::group_norm_backward(Tensor dx, Tensor dw, Tensor dy, Tensor x, Tensor rstd, Tensor w) {
  timed(Part::kElementwise, [&] { inner_->group_norm_backward(dx, dw, dy, x, rstd, w); });
}

void TimedBackend::add_bias(Tensor y, Tensor b) {
  timed(Part::kElementwise, [&] { inner_->add_bias(y, b); });
}

void TimedBackend::add_bias_backward(Tensor db, Tensor dy) {
  timed(Part::kElementwise, [&] { inner_->add_bias_backward(db, dy); });
}

void TimedBackend::round_int8(Tensor y, Tensor x) {
  timed(Part::kElementwise, [&] { inner_->round_int8(y, x); });
}

void TimedBackend::cross_entropy(Tensor loss, Tensor dlogits, Tensor logprobs, Tensor logits, const int32_t* targets, float scale) {
  timed(Part::kCrossEntropy, [&] { inner_->cross_entropy(loss, dlogits, logprobs, logits, targets, scale); });
}

void TimedBackend::sum_squares(Tensor out, Tensor x) {
  timed(Part::kOptimizer, [&] { inner_->sum_squares(out, x); });
}

void TimedBackend::adamw(Tensor w, Tensor g, Tensor m, Tensor v, const AdamW& hyper, double norm_squared, float clip) {
  timed(Part::kOptimizer, [&] { inner_->adamw(w, g, m, v, hyper, norm_squared, clip); });
}

}  // namespace spectra::ops
