// SPDX-License-Identifier: Apache-2.0
#pragma once
// The obvious implementation of every op: one thread, plain loops, one type T for activations and masters alike. In float it
// is the twin that fast backends are tested against, in double the one that finite differences check.
#include "ops/host_backend.h"

namespace spectra::ops {

template <class T>
class ReferenceBackend : public HostBackend {
 public:
  std::string name() const override;
  DType activation() const override { return DTypeOf<T>::value; }
  DType master() const override { return DTypeOf<T>::value; }

  void copy_in(Tensor to, const float* from) override;
  void copy_out(float* to, Tensor from) override;
  void zero(Tensor x) override;
  void add(Tensor y, Tensor x) override;
  void quantize_weight(const QuantizedWeight& out, WeightKind kind, int64_t row_begin, Tensor w, Tensor stats) override;
  void linear(Tensor y, Tensor x, const QuantizedWeight& w, bool accumulate) override;
  void linear_dx(Tensor dx, Tensor dy, const QuantizedWeight& w, bool accumulate) override;
  void linear_dw(Tensor dw, Tensor dy, Tensor x) override;
  void embedding(Tensor x, const int32_t* tokens, Tensor table) override;
  void embedding_backward(Tensor dtable, const int32_t* tokens, Tensor dx) override;
  void rmsnorm(Tensor y, Tensor rstd, Tensor x, Tensor residual, Tensor w, float eps) override;
  void rmsnorm_backward(Tensor dx, Tensor dw, Tensor dy, Tensor x, Tensor rstd, Tensor w) override;
  void rope(Tensor x, int64_t heads, int64_t time, const Rotation& rotation, bool inverse) override;
  void attention(Tensor out, Tensor lse, const Qkv& in, const AttentionShape& shape) override;
  void attention_backward(const Qkv& d, Tensor dout, Tensor out, Tensor lse, const Qkv& in, const AttentionShape& shape) override;
  void glu(Tensor h, Tensor gate_up, Gate gate) override;
  void glu_backward(Tensor dgate_up, Tensor dh, Tensor gate_up, Gate gate) override;
  void group_norm(Tensor y, Tensor rstd, Tensor x, Tensor w, float eps) override;
  void group_norm_backward(Tensor dx, Tensor dw, Tensor dy, Tensor x, Tensor rstd, Tensor w) override;
  void add_bias(Tensor y, Tensor b) override;
  void add_bias_backward(Tensor db, Tensor dy) override;
  void round_int8(Tensor y, Tensor x) override;
  void cross_entropy(Tensor loss, Tensor dlogits, Tensor logprobs, Tensor logits, const int32_t* targets, float scale) override;
  void sum_squares(Tensor out, Tensor x) override;
  void adamw(Tensor w, Tensor g, Tensor m, Tensor v, const AdamW& hyper, double norm_squared, float clip) override;
  size_t scratch_bytes() const override { return 0; }
};

extern template class ReferenceBackend<float>;
extern template class ReferenceBackend<double>;

}  // namespace spectra::ops
