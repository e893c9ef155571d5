// SPDX-License-Identifier: Apache-2.0
#pragma once
// Any backend, with the time that each part of a training step takes. Numbers do not change; after each op it waits for the device.
#include <array>

#include "ops/backend.h"

namespace spectra::ops {

enum class Part : uint8_t { kLinear, kHead, kAttention, kElementwise, kCrossEntropy, kOptimizer, kQuantize, kEmbedding };
constexpr size_t kParts = 8;
const char* part_name(Part part);  ///< "linear", "head", ...

class TimedBackend final : public Backend {
 public:
  /// Products with `vocab` rows of weights count as the head's.
  TimedBackend(std::unique_ptr<Backend> inner, int64_t vocab);
  /// Since reset(). Copies and additions between ops are in no part.
  double seconds(Part part) const { return seconds_[static_cast<size_t>(part)]; }
  void reset() { seconds_ = {}; }

  std::string name() const override { return inner_->name(); }
  DType activation() const override { return inner_->activation(); }
  DType master() const override { return inner_->master(); }
  DeviceMemory memory() const override { return inner_->memory(); }
  Buffer allocate(size_t bytes) override { return inner_->allocate(bytes); }
  Buffer allocate_staging(size_t bytes) override { return inner_->allocate_staging(bytes); }
  bool host_addressable() const override { return inner_->host_addressable(); }
  void copy_in(Tensor to, const float* from) override { inner_->copy_in(to, from); }
  void copy_out(float* to, Tensor from) override { inner_->copy_out(to, from); }
  void zero(Tensor x) override { inner_->zero(x); }
  void add(Tensor y, Tensor x) override { inner_->add(y, x); }
  void copy(Tensor to, Tensor from) override { inner_->copy(to, from); }
  void copy_in_tokens(Tensor to, const int32_t* from) override { inner_->copy_in_tokens(to, from); }
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
  void read_bytes(void* to, Tensor from) override { inner_->read_bytes(to, from); }
  void write_bytes(Tensor to, const void* from) override { inner_->write_bytes(to, from); }
  void synchronize() override { inner_->synchronize(); }
  size_t scratch_bytes() const override { return inner_->scratch_bytes(); }
  std::vector<Product> products() const override { return inner_->products(); }

 private:
  template <class Op>
  void timed(Part part, Op op);
  Part product(int64_t rows) const { return rows == vocab_ ? Part::kHead : Part::kLinear; }

  std::unique_ptr<Backend> inner_;
  const int64_t vocab_;
  std::array<double, kParts> seconds_{};
};

}  // namespace spectra::ops
