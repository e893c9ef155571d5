// SPDX-License-Identifier: Apache-2.0
#pragma once
// A device that the host cannot look into, for tests: the plain loops on memory of their own, whose tensors have other addresses,
// which nobody may read or write. Host code that follows a tensor's pointer dies of it, as it would (or would read rubbish) with a
// GPU; an op that is handed host memory fails a check.
#include <sys/mman.h>

#include <cstddef>
#include <memory>
#include <string>

#include "base/error.h"
#include "ops/reference/reference_backend.h"

namespace spectra::test {

/// Device memory: `far` are the addresses that tensors carry, `near` those of the same bytes that the loops work on.
class ProtectedMemory {
 public:
  ProtectedMemory() : far_(map(PROT_NONE)), near_(map(PROT_READ | PROT_WRITE)) {}
  ~ProtectedMemory() {
    munmap(far_, kBytes);
    munmap(near_, kBytes);
  }
  ProtectedMemory(const ProtectedMemory&) = delete;
  ProtectedMemory& operator=(const ProtectedMemory&) = delete;

  /// Never handed out twice, so always zeroed.
  ops::Buffer allocate(size_t bytes) {
    void* data = far_ + used_;
    used_ += (bytes + 63) / 64 * 64;
    SPECTRA_CHECK(used_ <= kBytes, "{} bytes", used_);
    return {bytes == 0 ? nullptr : data, bytes, [](void*) {}};
  }
  template <class T>
  T* near(T* far) const {
    if (far == nullptr) return nullptr;
    const std::ptrdiff_t at = reinterpret_cast<const char*>(far) - far_;
    SPECTRA_CHECK(at >= 0 && static_cast<size_t>(at) < used_, "an op was handed memory that is not the device's");
    return reinterpret_cast<T*>(reinterpret_cast<uintptr_t>(near_) + static_cast<size_t>(at));
  }

 private:
  static constexpr size_t kBytes = size_t{1} << 30;  // of addresses: pages exist once they are used
  static char* map(int protection) {
    void* memory = mmap(nullptr, kBytes, protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    SPECTRA_CHECK(memory != MAP_FAILED);
    return static_cast<char*>(memory);
  }
  char *far_, *near_;
  size_t used_ = 0;
};

class ProtectedBackend final : public ops::Backend {
  using Tensor = ops::Tensor;

 public:
  std::string name() const override { return loops_.name(); }
  DType activation() const override { return loops_.activation(); }
  DType master() const override { return loops_.master(); }

  ops::DeviceMemory memory() const override { return loops_.memory(); }
  ops::Buffer allocate(size_t bytes) override { return memory_.allocate(bytes); }
  ops::Buffer allocate_staging(size_t bytes) override { return loops_.allocate_staging(bytes); }
  bool host_addressable() const override { return false; }
  void copy_in(Tensor to, const float* from) override { loops_.copy_in(near(to), from); }
  void copy_out(float* to, Tensor from) override { loops_.copy_out(to, near(from)); }
  void copy_in_tokens(Tensor to, const int32_t* from) override { loops_.copy_in_tokens(near(to), from); }
  void read_bytes(void* to, Tensor from) override { loops_.read_bytes(to, near(from)); }
  void write_bytes(Tensor to, const void* from) override { loops_.write_bytes(near(to), from); }
  void zero(Tensor x) override { loops_.zero(near(x)); }
  void add(Tensor y, Tensor x) override { loops_.add(near(y), near(x)); }
  void copy(Tensor to, Tensor from) override { loops_.copy(near(to), near(from)); }

  void quantize_weight(const ops::QuantizedWeight& out, ops::WeightKind kind, int64_t row_begin, Tensor w, Tensor stats) override {
    loops_.quantize_weight(near(out), kind, row_begin, near(w), near(stats));
  }
  void linear(Tensor y, Tensor x, const ops::QuantizedWeight& w, bool accumulate) override {
    loops_.linear(near(y), near(x), near(w), accumulate);
  }
  void linear_dx(Tensor dx, Tensor dy, const ops::QuantizedWeight& w, bool accumulate) override {
    loops_.linear_dx(near(dx), near(dy), near(w), accumulate);
  }
  void linear_dw(Tensor dw, Tensor dy, Tensor x) override { loops_.linear_dw(near(dw), near(dy), near(x)); }
  void embedding(Tensor x, const int32_t* tokens, Tensor table) override {
    loops_.embedding(near(x), memory_.near(tokens), near(table));
  }
  void embedding_backward(Tensor dtable, const int32_t* tokens, Tensor dx) override {
    loops_.embedding_backward(near(dtable), memory_.near(tokens), near(dx));
  }
  void rmsnorm(Tensor y, Tensor rstd, Tensor x, Tensor residual, Tensor w, float eps) override {
    loops_.rmsnorm(near(y), near(rstd), near(x), near(residual), near(w), eps);
  }
  void rmsnorm_backward(Tensor dx, Tensor dw, Tensor dy, Tensor x, Tensor rstd, Tensor w) override {
    loops_.rmsnorm_backward(near(dx), near(dw), near(dy), near(x), near(rstd), near(w));
  }
  void rope(Tensor x, int64_t heads, int64_t time, const ops::Rotation& rotation, bool inverse) override {
    loops_.rope(near(x), heads, time, rotation, inverse);
  }
  void attention(Tensor out, Tensor lse, const ops::Qkv& in, const ops::AttentionShape& shape) override {
    loops_.attention(near(out), near(lse), near(in), near(shape));
  }
  void attention_backward(const ops::Qkv& d, Tensor dout, Tensor out, Tensor lse, const ops::Qkv& in,
                          const ops::AttentionShape& shape) override {
    loops_.attention_backward(near(d), near(dout), near(out), near(lse), near(in), near(shape));
  }
  void glu(Tensor h, Tensor gate_up, ops::Gate gate) override { loops_.glu(near(h), near(gate_up), gate); }
  void glu_backward(Tensor dgate_up, Tensor dh, Tensor gate_up, ops::Gate gate) override {
    loops_.glu_backward(near(dgate_up), near(dh), near(gate_up), gate);
  }
  void group_norm(Tensor y, Tensor rstd, Tensor x, Tensor w, float eps) override {
    loops_.group_norm(near(y), near(rstd), near(x), near(w), eps);
  }
  void group_norm_backward(Tensor dx, Tensor dw, Tensor dy, Tensor x, Tensor rstd, Tensor w) override {
    loops_.group_norm_backward(near(dx), near(dw), near(dy), near(x), near(rstd), near(w));
  }
  void add_bias(Tensor y, Tensor b) override { loops_.add_bias(near(y), near(b)); }
  void add_bias_backward(Tensor db, Tensor dy) override { loops_.add_bias_backward(near(db), near(dy)); }
  void round_int8(Tensor y, Tensor x) override { loops_.round_int8(near(y), near(x)); }
  void cross_entropy(Tensor loss, Tensor dlogits, Tensor logprobs, Tensor logits, const int32_t* targets, float scale) override {
    loops_.cross_entropy(near(loss), near(dlogits), near(logprobs), near(logits), memory_.near(targets), scale);
  }
  void sum_squares(Tensor out, Tensor x) override { loops_.sum_squares(near(out), near(x)); }
  void adamw(Tensor w, Tensor g, Tensor m, Tensor v, const ops::AdamW& hyper, double norm_squared, float clip) override {
    loops_.adamw(near(w), near(g), near(m), near(v), hyper, norm_squared, clip);
  }
  void synchronize() override {}
  size_t scratch_bytes() const override { return loops_.scratch_bytes(); }

 private:
  Tensor near(Tensor x) const {
    x.data = memory_.near(static_cast<char*>(x.data));
    return x;
  }
  ops::QuantizedWeight near(ops::QuantizedWeight w) const {
    w.codes = near(w.codes);
    w.scales = near(w.scales);
    return w;
  }
  ops::Qkv near(const ops::Qkv& x) const { return {near(x.q), near(x.k), near(x.v)}; }
  ops::AttentionShape near(ops::AttentionShape shape) const {
    shape.mask.first_key = memory_.near(shape.mask.first_key);
    return shape;
  }

  ProtectedMemory memory_;
  ops::ReferenceBackend<float> loops_;
};

}  // namespace spectra::test
