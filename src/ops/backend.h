// SPDX-License-Identifier: Apache-2.0
#pragma once
// Every operation of a training step, forward and backward, on one device. The trainer is written against this interface:
//   ReferenceBackend<float|double>  plain loops, obviously right; in double it is what finite differences check
//   CpuBackend                      oneDNN GEMMs in bf16, fp32 or fp16, and fused loops
// A GPU backend implements the same list. An op takes explicit tensors, allocates nothing after the first step of a
// shape, and results that steer later ops (scales, gradient norm) stay in device memory.
//
// Types: `activation()` is what GEMMs read and activations are kept in (bf16, fp16, fp32, fp64); `master()` is what parameters,
// gradients, moments, the residual stream, norm statistics and losses are kept in (fp32; fp64 in the reference in double). All sums
// are in master precision and in a fixed order: the same inputs and thread count give the same bits.
//
// Shapes: N tokens = B sequences of T, in order; D hidden, H heads, K kv heads, E head_dim, F GLU, V vocabulary, S shards.
#include <memory>
#include <string>
#include <vector>

#include "ops/buffer.h"

namespace spectra::ops {

/// How quantize_weight turns a master matrix into what GEMMs multiply with (paper table 1 and appendix A.1).
enum class WeightKind : uint8_t {
  kFloat,    ///< W rounded to the activation type; scales unused
  kTernary,  ///< codes round(clip(W/γ, -1, 1)), half to even, γ_s = fp16(1e-5 + mean|W_s|)
  kBinary    ///< codes sign(W - mean W_s), sign(0) = +1, α_s = fp16(mean|W_s|)
};

/// A linear weight ready for GEMMs: W ≈ diag(row_scale) · codes · diag(col_scale). Codes -1/0/+1 are exact in every type and the
/// scales are applied in master precision, since rounding them to bf16 would lose 0.4 %. Several HF matrices may share
/// one QuantizedWeight (q, k, v; gate, up): each quantizes its own rows.
struct QuantizedWeight {
  Tensor codes;                ///< (out, in), activation type
  float* row_scale = nullptr;  ///< (out); nullptr = all ones (float weights, column shards)
  float* col_scale = nullptr;  ///< (in); nullptr = all ones (float weights, row shards)
};

/// Which part of a QuantizedWeight one HF matrix fills, and how it is cut.
struct QuantizeSpec {
  WeightKind kind = WeightKind::kFloat;
  int64_t row_begin = 0;        ///< first row of QuantizedWeight.codes
  bool by_rows = true;          ///< shards cut rows (q, k, v, gate, up) or columns (o, down)
  std::vector<int64_t> bounds;  ///< S + 1 shard boundaries along that axis, from 0
};

struct AttentionShape {
  int64_t batch, time;  ///< B, T
  int64_t heads, kv_heads, head_dim;
  /// Device values (N): the first position of its sequence that token n may see, 0 to its own (a document mask); nullptr = all 0.
  const int32_t* first_key = nullptr;
};

/// Hyperparameters of one AdamW step (Loshchilov & Hutter 2019), decoupled decay: w -= lr * (m̂ / (sqrt(v̂) + eps) + decay * w).
struct AdamW {
  float lr, beta1, beta2, eps, weight_decay;
  int64_t step;              ///< 1 for the first
  float gradient_scale = 1;  ///< 1 / loss scale: the true gradient is g * gradient_scale
};

/// What ternarization did, kept on the device per matrix: zero codes and codes that changed since the last call.
struct QuantizeStats {
  int64_t zeros = 0, flips = 0;
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
  virtual Buffer allocate(size_t bytes) = 0;               ///< zeroed
  virtual void copy_in(Tensor to, const float* from) = 0;  ///< host floats to a dense tensor of any float type
  virtual void copy_out(float* to, Tensor from) = 0;
  virtual void zero(Tensor x) = 0;
  virtual void add(Tensor y, Tensor x) = 0;  ///< y += x, any of the two types each
  /// to = from, any of the two types each. By default zero() and add().
  virtual void copy(Tensor to, Tensor from);
  /// Host token ids to a dense (1, N) i32 tensor. By default memcpy: for backends whose memory the host can address.
  virtual void copy_in_tokens(Tensor to, const int32_t* from);

  // --- weights ------------------------------------------------------------------------------------------------
  /// Fills rows [spec.row_begin, + w.rows) of out.codes and the matching scales from master w (out, in).
  /// `scales` (S, master) receives γ or α per shard; `stats` may be nullptr.
  virtual void quantize_weight(QuantizedWeight& out, const QuantizeSpec& spec, Tensor w, Tensor scales, QuantizeStats* stats) = 0;

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

  // --- RoPE (Su et al. 2021), half-split pairs (i, i + E/2), in place on the q and k parts of qkv ---------------
  /// qkv (N, (H + 2K) E). Position of token n is n mod T. `inverse`: the backward, rotation by the negative angle.
  virtual void rope(Tensor qkv, const AttentionShape& shape, float theta, bool inverse) = 0;

  // --- causal attention, scale 1/sqrt(E), no T x T matrix in memory; a query sees the keys from its first_key to itself --
  /// out (N, H E) activation, lse (B H, T) master = log sum exp of the scaled scores of each query.
  virtual void attention(Tensor out, Tensor lse, Tensor qkv, const AttentionShape& shape) = 0;
  /// dqkv (N, (H + 2K) E) = gradient (overwrites), from dout (N, H E).
  virtual void attention_backward(Tensor dqkv, Tensor dout, Tensor out, Tensor lse, Tensor qkv, const AttentionShape& shape) = 0;

  // --- SwiGLU (Shazeer 2020) ------------------------------------------------------------------------------------
  virtual void swiglu(Tensor h, Tensor gate_up) = 0;  ///< h (N, F) = silu(gate) * up; gate_up (N, 2F) = [gate | up]
  virtual void swiglu_backward(Tensor dgate_up, Tensor dh, Tensor gate_up) = 0;

  // --- loss -----------------------------------------------------------------------------------------------------
  /// Softmax cross-entropy of a chunk of rows. loss (1, 1) fp64 += sum of -log p[target]; rows with target < 0 count nothing.
  /// logits (n, V) master or activation; dlogits (n, V) activation = (softmax - onehot) * scale, or empty (evaluation);
  /// logprobs (1, n) master, may be empty.
  virtual void cross_entropy(Tensor loss, Tensor dlogits, Tensor logprobs, Tensor logits, const int32_t* targets, float scale) = 0;

  // --- optimizer -------------------------------------------------------------------------------------------------
  /// out (1, 1) fp64 += sum of squares.
  virtual void sum_squares(Tensor out, Tensor x) = 0;
  /// AdamW on w with gradient g * gradient_scale * clip_factor, where clip_factor = min(1, clip / norm) and norm =
  /// gradient_scale * sqrt(*norm_squared), read on the device; clip <= 0 = off. Non-finite norm: nothing changes. g is zeroed.
  virtual void adamw(Tensor w, Tensor g, Tensor m, Tensor v, const AdamW& hyper, Tensor norm_squared, float clip) = 0;

  /// Waits for everything queued. Scalars may be read by the host after it.
  virtual void synchronize() = 0;
  /// Bytes of scratch memory held.
  virtual size_t scratch_bytes() const = 0;
  /// Every shape of products so far, for benchmarks; none where no library is asked.
  virtual std::vector<Product> products() const { return {}; }
};

/// `precision`: "reference-fp64", "reference" (plain fp32), "fp32", "bf16", "fp16" (runs everywhere; what overflows becomes
/// infinite and ends in a gradient norm that is not finite). Throws Error when this CPU cannot ("bf16" without
/// AVX512_BF16: oneDNN would emulate it, slower than fp32); "auto" picks bf16 where the CPU has it and fp32 elsewhere.
std::unique_ptr<Backend> make_backend(const std::string& precision);

}  // namespace spectra::ops
