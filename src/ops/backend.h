// SPDX-License-Identifier: Apache-2.0
#pragma once
// Every operation of a training step, forward and backward, on one device. The trainer is written against this interface:
//   ReferenceBackend<float|double>  plain loops, obviously right; in double it is what finite differences check
//   CpuBackend                      oneDNN GEMMs in bf16, fp32 or fp16, and fused loops
// A GPU backend implements the same list. An op takes explicit tensors, allocates nothing after the first step of a
// shape, and leaves what steers later ops (scales) in device memory. Tensors and pointers lie there but where `host` is said: the
// host looks at them through read() and copy_out() only.
//
// Types: `activation()` is what GEMMs read and activations are kept in (bf16, fp16, fp32, fp64); `master()` is what parameters,
// gradients, moments, the residual stream, norm statistics and losses are kept in (fp32; fp64 in the reference in double). All sums
// are in master precision and in a fixed order: the same inputs and thread count give the same bits.
//
// Shapes: N tokens = B sequences of T, in order; D hidden, H heads, K kv heads, E head_dim, F GLU, V vocabulary, S shards.
#include <memory>
#include <string>
#include <vector>

#include "ops/attention_shape.h"
#include "ops/buffer.h"
#include "ops/quantized_weight.h"

namespace spectra::ops {

/// Hyperparameters of one AdamW step (Loshchilov & Hutter 2019), decoupled decay: w -= lr * (m̂ / (sqrt(v̂) + eps) + decay * w).
struct AdamW {
  float lr, beta1, beta2, eps, weight_decay;
  int64_t step;              ///< 1 for the first
  float gradient_scale = 1;  ///< 1 / loss scale: the true gradient is g * gradient_scale
};

/// What the gate of a gated linear unit goes through: x sigmoid(x), max(x, 0)², x Φ(x).
enum class Gate : uint8_t { kSilu, kRelu2, kGelu };

/// Bytes of a device's memory.
struct DeviceMemory {
  uint64_t free, total;
};

/// One shape of matrix products that ran, C (m, n) = A (m, k) · B (k, n), and the library's name of the code that ran it.
struct Product {
  std::string pass;  ///< "forward", "input gradient", "weight gradient"
  int64_t m, n, k;
  std::string implementation;  ///< e.g. "brg:avx512_core_bf16"
};

class Backend {
 public:
  virtual ~Backend() = default;
  virtual std::string name() const = 0;  ///< "reference-fp64", "cpu-bf16 (avx512_bf16)", ...
  virtual DType activation() const = 0;
  virtual DType master() const = 0;

  // --- memory -------------------------------------------------------------------------------------------------
  virtual DeviceMemory memory() const = 0;
  virtual Buffer allocate(size_t bytes) = 0;  ///< zeroed
  /// Host memory that the device copies from and to quickly, for what travels between processes.
  virtual Buffer allocate_staging(size_t bytes) = 0;
  /// The device works on the machine's own memory and never behind the host's back: what travels needs no staging.
  virtual bool host_addressable() const = 0;
  virtual void copy_in(Tensor to, const float* from) = 0;  ///< host floats to a dense tensor of any float type
  virtual void copy_out(float* to, Tensor from) = 0;       ///< the other way; waits for what is queued
  /// Host token ids to a dense (1, N) i32 tensor.
  virtual void copy_in_tokens(Tensor to, const int32_t* from) = 0;
  /// The elements of a dense tensor as they are, on the host; waits for what is queued. For the few numbers that the host decides
  /// by.
  template <class T>
  std::vector<T> read(Tensor from) {
    SPECTRA_CHECK(from.dtype == DTypeOf<T>::value && from.dense(), "{}, {} columns of {}", dtype_name(from.dtype), from.cols,
                  from.stride);
    std::vector<T> values(static_cast<size_t>(from.size()));
    read_bytes(values.data(), from);
    return values;
  }
  virtual void zero(Tensor x) = 0;
  virtual void add(Tensor y, Tensor x) = 0;  ///< y += x, any of the two types each
  /// to = from, any of the two types each. By default zero() and add().
  virtual void copy(Tensor to, Tensor from);

  // --- weights ------------------------------------------------------------------------------------------------
  /// Fills rows [row_begin, + w.rows) of out.codes and the scales of their shards (shards_of) from master w (out, in). `stats`
  /// (1, 2) i64 receives QuantizeStats; may be empty.
  virtual void quantize_weight(const QuantizedWeight& out, WeightKind kind, int64_t row_begin, Tensor w, Tensor stats) = 0;

  // --- linear: y = x Wᵀ ----------------------------------------------------------------------------------------
  /// y (N, out) activation or master = x (N, in) activation · wᵀ. `accumulate` (only into master): y += .
  virtual void linear(Tensor y, Tensor x, const QuantizedWeight& w, bool accumulate = false) = 0;
  /// dx (N, in) = dy (N, out) · w, with the scaled codes. `accumulate` (only into master): dx += .
  virtual void linear_dx(Tensor dx, Tensor dy, const QuantizedWeight& w, bool accumulate = false) = 0;
  /// dw (out, in) master += dyᵀ · x: straight through the quantizer, not multiplied by the scales.
  virtual void linear_dw(Tensor dw, Tensor dy, Tensor x) = 0;

  // --- embedding ----------------------------------------------------------------------------------------------
  virtual void embedding(Tensor x, const int32_t* tokens, Tensor table) = 0;             ///< x (N, D) master, table (V, D) master
  virtual void embedding_backward(Tensor dtable, const int32_t* tokens, Tensor dx) = 0;  ///< dtable[token] += dx, in token order

  // --- RMSNorm (Zhang & Sennrich 2019) ------------------------------------------------------------------------
  /// y (N, D) activation = x * rstd * w with rstd (N) = 1/sqrt(mean x² + eps); x (N, D) master, w (1, D) master.
  /// `residual` (N, D) master or activation, may be empty: x += residual first (x is updated in place).
  virtual void rmsnorm(Tensor y, Tensor rstd, Tensor x, Tensor residual, Tensor w, float eps) = 0;
  /// dx (N, D) master += d loss / d x; dw (1, D) += . dy (N, D) activation or master.
  virtual void rmsnorm_backward(Tensor dx, Tensor dw, Tensor dy, Tensor x, Tensor rstd, Tensor w) = 0;

  // --- RoPE (Su et al. 2021), half-split pairs (i, i + E/2), in place -------------------------------------------
  /// x (N, heads E), maybe columns of a wider matrix. Position of token n is n mod `time`. `inverse`: the backward, rotation by the
  /// negative angle. `rotation` is on the host.
  virtual void rope(Tensor x, int64_t heads, int64_t time, const Rotation& rotation, bool inverse) = 0;

  // --- attention, scale 1/sqrt(E), no Tq x Tk matrix in memory; a query sees the keys that shape.mask says -------
  /// out (B Tq, H E) activation, lse (B H, Tq) master = log sum exp of the scaled scores of each query.
  virtual void attention(Tensor out, Tensor lse, const Qkv& in, const AttentionShape& shape) = 0;
  /// d = gradient (overwrites), from dout (B Tq, H E).
  virtual void attention_backward(const Qkv& d, Tensor dout, Tensor out, Tensor lse, const Qkv& in,
                                  const AttentionShape& shape) = 0;

  // --- gated linear units (Shazeer 2020) ------------------------------------------------------------------------
  virtual void glu(Tensor h, Tensor gate_up, Gate gate) = 0;  ///< h (N, F) = f(gate) * up; gate_up (N, 2F) = [gate | up]
  virtual void glu_backward(Tensor dgate_up, Tensor dh, Tensor gate_up, Gate gate) = 0;

  // --- inside a block: what stands between norms, linear layers and attention -----------------------------------
  /// RMSNorm of each of G groups of E columns: y (N, G E) activation = x * rstd * w; rstd (G, N) master; w (1, E) master, empty
  /// = 1.
  virtual void group_norm(Tensor y, Tensor rstd, Tensor x, Tensor w, float eps) = 0;
  /// dx (N, G E) activation = gradient (overwrites; may be dy); dw (1, E) master +=, empty where w is.
  virtual void group_norm_backward(Tensor dx, Tensor dw, Tensor dy, Tensor x, Tensor rstd, Tensor w) = 0;
  /// y (N, out) activation += b (1, out) master.
  virtual void add_bias(Tensor y, Tensor b) = 0;
  virtual void add_bias_backward(Tensor db, Tensor dy) = 0;  ///< db += sums of columns
  /// y = s round(x / s), half to even, s = absmax / 127 of each row; y may be x. Backward: straight through.
  virtual void round_int8(Tensor y, Tensor x) = 0;

  // --- loss -----------------------------------------------------------------------------------------------------
  /// Softmax cross-entropy of a chunk of rows. loss (1, 1) fp64 += sum of -log p[target]; rows with target < 0 count nothing.
  /// logits (n, V) master or activation; dlogits (n, V) activation = (softmax - onehot) * scale, or empty (evaluation);
  /// logprobs (1, n) master, may be empty.
  virtual void cross_entropy(Tensor loss, Tensor dlogits, Tensor logprobs, Tensor logits, const int32_t* targets, float scale) = 0;

  // --- optimizer -------------------------------------------------------------------------------------------------
  /// out (1, 1) fp64 += sum of squares.
  virtual void sum_squares(Tensor out, Tensor x) = 0;
  /// AdamW on w with gradient g * gradient_scale * clip_factor, where clip_factor = min(1, clip / norm) and norm =
  /// gradient_scale * sqrt(norm_squared); clip <= 0 = off. Non-finite norm: nothing changes. g is zeroed.
  virtual void adamw(Tensor w, Tensor g, Tensor m, Tensor v, const AdamW& hyper, double norm_squared, float clip) = 0;

  /// Waits for everything queued: for clocks. What the host reads waits by itself.
  virtual void synchronize() = 0;
  /// Bytes of scratch memory held.
  virtual size_t scratch_bytes() const = 0;
  /// Every shape of products so far, for benchmarks; none where no library is asked.
  virtual std::vector<Product> products() const { return {}; }

  /// The bytes of a dense tensor to and from host memory, as they are; both wait for what is queued.
  virtual void read_bytes(void* to, Tensor from) = 0;
  virtual void write_bytes(Tensor to, const void* from) = 0;
};

/// `device`: "cpu", or "auto" for the best that this build and machine have; "cuda" throws Error: this build has none. `precision`:
/// "reference-fp64", "reference" (plain fp32), "fp32", "bf16", "fp16" (runs everywhere; what overflows becomes infinite and ends in
/// a gradient norm that is not finite). Throws Error when this CPU cannot ("bf16" without AVX512_BF16: oneDNN would emulate it,
/// slower than fp32); "auto" picks bf16 where the CPU has it and fp32 elsewhere.
std::unique_ptr<Backend> make_backend(const std::string& device, const std::string& precision);

}  // namespace spectra::ops
