// SPDX-License-Identifier: Apache-2.0
// RMSNorm, RoPE, attention and SwiGLU: which rows and heads the loops of loops.h run on.
#include <cmath>
#include <cstring>

#ifdef _OPENMP
#include <omp.h>
#endif

#include "ops/cpu/cpu_backend.h"
#include "ops/cpu/pieces.h"

namespace spectra::ops::cpu {
namespace {

int thread_count() {
#ifdef _OPENMP
  return omp_get_max_threads();
#else
  return 1;
#endif
}
int thread_index() {
#ifdef _OPENMP
  return omp_get_thread_num();
#else
  return 0;
#endif
}

}  // namespace

void CpuBackend::rmsnorm(Tensor y, Tensor rstd, Tensor x, Tensor residual, Tensor w, float eps) {
  const auto loop = loops_.rmsnorm[type_of(y)];
  const auto add_residual = residual.data == nullptr ? nullptr : loops_.add[kFloat][type_of(residual)];
  float* statistics = rstd.as<float>();
  const float* weight = w.as<float>();
  SPECTRA_CHECK(type_of(x) == kFloat && y.rows == x.rows && y.cols == x.cols);
  each_row(x.rows, [&](int64_t n) {
    if (add_residual != nullptr) add_residual(row(x, n), row(residual, n), x.cols);
    statistics[n] = loop(row(y, n), static_cast<const float*>(row(x, n)), weight, x.cols, eps);
  });
}

void CpuBackend::rmsnorm_backward(Tensor dx, Tensor dw, Tensor dy, Tensor x, Tensor rstd, Tensor w) {
  const auto loop = loops_.rmsnorm_backward[type_of(dy)];
  const float *statistics = rstd.as<float>(), *weight = w.as<float>();
  SPECTRA_CHECK(type_of(dx) == kFloat && type_of(x) == kFloat && dx.rows == x.rows && dx.cols == x.cols);
  const int64_t pieces = piece_count(x.rows, kRowsPerPiece), width = x.cols;
  float* partial = partials_.get<float>(pieces * width);
  each_piece(x.rows, kRowsPerPiece, [&](int64_t piece, int64_t begin, int64_t end) {
    float* sum = partial + piece * width;
    std::memset(sum, 0, static_cast<size_t>(width) * sizeof(float));
    for (int64_t n = begin; n < end; ++n) {
      loop(static_cast<float*>(row(dx, n)), sum, row(dy, n), static_cast<const float*>(row(x, n)), statistics[n], weight, width);
    }
  });
  for (int64_t piece = 0; piece < pieces; ++piece) loops_.add[kFloat][kFloat](dw.as<float>(), partial + piece * width, width);
}

/// Fills angles_ for this shape unless it holds them: cosines, sines and negated sines of position t times theta^(-2i / E), (T,
/// E/2) each.
void CpuBackend::angles(const AttentionShape& shape, float theta) {
  const int64_t half = shape.head_dim / 2, size = shape.time * half;
  if (angles_time_ == shape.time && angles_half_ == half && angles_theta_ == theta) return;
  float* cosines = angles_.get<float>(3 * size);
  each_row(shape.time, [&](int64_t t) {
    for (int64_t i = 0; i < half; ++i) {
      const double exponent = -2.0 * static_cast<double>(i) / static_cast<double>(shape.head_dim);
      const double angle = static_cast<double>(t) * std::pow(static_cast<double>(theta), exponent);
      cosines[t * half + i] = static_cast<float>(std::cos(angle));
      cosines[size + t * half + i] = static_cast<float>(std::sin(angle));
      cosines[2 * size + t * half + i] = static_cast<float>(-std::sin(angle));
    }
  });
  angles_time_ = shape.time, angles_half_ = half, angles_theta_ = theta;
}

void CpuBackend::rope(Tensor qkv, const AttentionShape& shape, float theta, bool inverse) {
  angles(shape, theta);
  const int64_t half = shape.head_dim / 2;
  const float *cosines = angles_.get<float>(0), *sines = cosines + (inverse ? 2 : 1) * shape.time * half;
  const auto loop = loops_.rope[type_of(qkv)];
  each_row(qkv.rows, [&](int64_t n) {
    const int64_t t = n % shape.time;
    loop(row(qkv, n), shape.heads + shape.kv_heads, half, cosines + t * half, sines + t * half);
  });
}

/// attend(task) for each kv head of each sequence, `task` being `first` moved there. `out` is dout's shape too.
template <class Attention>
void CpuBackend::each_kv_head(const AttentionTask& first, Tensor qkv, Tensor out, const AttentionShape& shape, Attention attend) {
  const int64_t scratch = static_cast<int64_t>(loops_.attention_scratch[type_of(qkv)](shape.time, shape.head_dim));
  char* all_scratch = attention_.get<char>(thread_count() * scratch);
  const int64_t size = static_cast<int64_t>(dtype_size(qkv.dtype)), group = shape.heads / shape.kv_heads;
  const auto moved = [size](const void* p, int64_t elements) {
    return p == nullptr ? nullptr : static_cast<char*>(const_cast<void*>(p)) + elements * size;
  };
#pragma omp parallel for schedule(dynamic)
  for (int64_t i = 0; i < shape.batch * shape.kv_heads; ++i) {
    const int64_t token = i / shape.kv_heads * shape.time, kv = i % shape.kv_heads;
    const int64_t q_at = token * qkv.stride + kv * group * shape.head_dim;
    const int64_t k_at = token * qkv.stride + (shape.heads + kv) * shape.head_dim, v_at = k_at + shape.kv_heads * shape.head_dim;
    const int64_t out_at = token * out.stride + kv * group * shape.head_dim;
    AttentionTask task = first;
    task.q = moved(first.q, q_at), task.k = moved(first.k, k_at), task.v = moved(first.v, v_at);
    task.dq = moved(first.dq, q_at), task.dk = moved(first.dk, k_at), task.dv = moved(first.dv, v_at);
    task.out = moved(first.out, out_at), task.dout = moved(first.dout, out_at);
    if (shape.first_key != nullptr) task.first_key = shape.first_key + token;
    task.lse = first.lse + i * group * shape.time;
    task.scratch = all_scratch + thread_index() * scratch;
    attend(task);
  }
}

void CpuBackend::attention(Tensor out, Tensor lse, Tensor qkv, const AttentionShape& shape) {
  SPECTRA_CHECK(type_of(out) == type_of(qkv) && shape.head_dim % 2 == 0 && lse.dense());
  AttentionTask first{};
  first.time = shape.time, first.head_dim = shape.head_dim, first.group = shape.heads / shape.kv_heads;
  first.q = first.k = first.v = qkv.data, first.qkv_stride = qkv.stride;
  first.out = out.data, first.out_stride = out.stride, first.lse = lse.as<float>();
  each_kv_head(first, qkv, out, shape, loops_.attention[type_of(qkv)]);
}

void CpuBackend::attention_backward(Tensor dqkv, Tensor dout, Tensor out, Tensor lse, Tensor qkv, const AttentionShape& shape) {
  SPECTRA_CHECK(type_of(out) == type_of(qkv) && type_of(dout) == type_of(qkv) && type_of(dqkv) == type_of(qkv));
  SPECTRA_CHECK(dout.stride == out.stride && dqkv.stride == qkv.stride && shape.head_dim % 2 == 0 && lse.dense());
  AttentionTask first{};
  first.time = shape.time, first.head_dim = shape.head_dim, first.group = shape.heads / shape.kv_heads;
  first.q = first.k = first.v = qkv.data, first.qkv_stride = qkv.stride;
  first.dq = first.dk = first.dv = dqkv.data;
  first.out = out.data, first.dout = dout.data, first.out_stride = out.stride, first.lse = lse.as<float>();
  each_kv_head(first, qkv, out, shape, loops_.attention_backward[type_of(qkv)]);
}

void CpuBackend::swiglu(Tensor h, Tensor gate_up) {
  SPECTRA_CHECK(type_of(h) == type_of(gate_up) && gate_up.cols == 2 * h.cols && gate_up.rows == h.rows);
  const auto loop = loops_.swiglu[type_of(h)];
  each_row(h.rows, [&](int64_t n) { loop(row(h, n), row(gate_up, n), at(gate_up, n, h.cols), h.cols); });
}

void CpuBackend::swiglu_backward(Tensor dgate_up, Tensor dh, Tensor gate_up) {
  SPECTRA_CHECK(type_of(dh) == type_of(gate_up) && type_of(dgate_up) == type_of(gate_up) && gate_up.cols == 2 * dh.cols);
  const auto loop = loops_.swiglu_backward[type_of(dh)];
  const int64_t width = dh.cols;
  each_row(dh.rows, [&](int64_t n) {
    loop(row(dgate_up, n), at(dgate_up, n, width), row(dh, n), row(gate_up, n), at(gate_up, n, width), width);
  });
}

}  // namespace spectra::ops::cpu
