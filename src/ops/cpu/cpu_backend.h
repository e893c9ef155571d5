// SPDX-License-Identifier: Apache-2.0
#pragma once
// The ops on CPUs: matrix products by oneDNN, the rest by vector loops compiled per instruction set (loops.h). In bf16 and fp16
// mode activations and the operands of products are of that type, everything that is summed or kept is fp32. oneDNN 2.6 has no fp16
// on CPUs: operands are widened and the fp32 product is rounded, which is slow but the same arithmetic. Work is cut into pieces
// whose number does not depend on the threads, and partial sums are added in their order: only oneDNN's products may depend on the
// thread count.
#include <memory>

#include "ops/cpu/gemm.h"
#include "ops/cpu/loops.h"
#include "ops/host_backend.h"
#include "ops/host_memory.h"

namespace spectra::ops {

/// `activation`: kF32, kBf16 or kF16. bf16 throws Error where the CPU has no AVX512_BF16: oneDNN would emulate it at a third of the
/// speed of fp32.
std::unique_ptr<Backend> make_cpu_backend(DType activation);

namespace cpu {

/// Memory that an op needs for itself; grows to the largest request and stays.
class Scratch {
 public:
  template <class T>
  T* get(int64_t count) {
    const size_t bytes = static_cast<size_t>(count) * sizeof(T);
    if (bytes > buffer_.size()) buffer_ = host_memory(bytes);
    return static_cast<T*>(buffer_.data());
  }
  size_t bytes() const { return buffer_.size(); }

 private:
  Buffer buffer_;
};

class CpuBackend final : public HostBackend {
 public:
  CpuBackend(DType activation, const Loops& loops);

  std::string name() const override;
  DType activation() const override { return activation_; }
  DType master() const override { return DType::kF32; }

  void copy_in(Tensor to, const float* from) override;
  void copy_out(float* to, Tensor from) override;
  void zero(Tensor x) override;
  void add(Tensor y, Tensor x) override;
  void copy(Tensor to, Tensor from) override;
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
  size_t scratch_bytes() const override;
  std::vector<Product> products() const override;

 private:
  /// The operand to multiply codes with and the scale of the product's columns.
  struct Scaled {
    const void* operand;
    const float* columns;  // nullptr = none
  };
  Scaled scaled(Tensor x, const QuantizedWeight& w, bool over_rows, int64_t columns);
  void multiply(const GemmShape& shape, void* c, const void* a, const void* b, const float* column_scale);
  const void* widened(Scratch& scratch, const void* x, int64_t size);
  void angles(int64_t time, const Rotation& rotation);
  template <class Attention>
  void each_kv_head(const AttentionTask& first, Type type, const AttentionShape& shape, Attention attend);

  const DType activation_;
  const Loops& loops_;
  Gemm gemm_;
  Scratch operand_, line_scale_, partials_, attention_, angles_;
  Scratch wide_a_, wide_b_, wide_c_;  // fp32 copies of a product's fp16 matrices
  int64_t angles_time_ = 0;           // what angles_ holds
  Rotation angles_rotation_;
};

}  // namespace cpu
}  // namespace spectra::ops
