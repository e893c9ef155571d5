// SPDX-License-Identifier: Apache-2.0
// RMSNorm, RoPE, attention and GLU: which rows and heads the loops of loops.h run on.
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

Lines lines(const Tensor& x) { return {x.data, x.stride}; }

/// What a task of attention reads is the same for both directions.
AttentionTask attention_task(const Tensor& out, const Tensor& lse, const Qkv& in, const AttentionShape& shape) {
  const Type type = type_of(out);
  SPECTRA_CHECK(type_of(in.q) == type && type_of(in.k) == type && type_of(in.v) == type && lse.dense());
  SPECTRA_CHECK(shape.head_dim % 2 == 0, "heads of {}", shape.head_dim);
  SPECTRA_CHECK(shape.mask.kind == MaskKind::kNone || shape.queries == shape.keys, "{} queries, {} keys", shape.queries,
                shape.keys);
  AttentionTask task{};
  task.queries = shape.queries, task.keys = shape.keys;
  task.head_dim = shape.head_dim, task.group = shape.heads / shape.kv_heads;
  task.causal = shape.mask.kind != MaskKind::kNone;
  task.window = shape.mask.kind == MaskKind::kWindow ? shape.mask.window : shape.keys;
  task.q = lines(in.q), task.k = lines(in.k), task.v = lines(in.v);
  task.out = lines(out), task.lse = lse.as<float>();
  return task;
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

/// Fills angles_ unless it holds them: cosines, sines and negated sines of positions below `time`, (time, E/2) each.
void CpuBackend::angles(int64_t time, const Rotation& rotation) {
  const auto half = static_cast<int64_t>(rotation.frequencies.size());
  const int64_t size = time * half;
  if (angles_time_ == time && angles_rotation_ == rotation) return;
  float* cosines = angles_.get<float>(3 * size);
  each_row(time, [&](int64_t t) {
    for (int64_t i = 0; i < half; ++i) {
      const double angle = static_cast<double>(t) * rotation.frequencies[static_cast<size_t>(i)];
      cosines[t * half + i] = static_cast<float>(std::cos(angle) * rotation.factor);
      cosines[size + t * half + i] = static_cast<float>(std::sin(angle) * rotation.factor);
      cosines[2 * size + t * half + i] = static_cast<float>(-std::sin(angle) * rotation.factor);
    }
  });
  angles_time_ = time, angles_rotation_ = rotation;
}

void CpuBackend::rope(Tensor x, int64_t heads, int64_t time, const Rotation& rotation, bool inverse) {
  angles(time, rotation);
  const auto half = static_cast<int64_t>(rotation.frequencies.size());
  SPECTRA_CHECK(x.cols == heads * 2 * half, "{} columns, {} heads of {}", x.cols, heads, 2 * half);
  const float *cosines = angles_.get<float>(0), *sines = cosines + (inverse ? 2 : 1) * time * half;
  const auto loop = loops_.rope[type_of(x)];
  each_row(x.rows, [&](int64_t n) { loop(row(x, n), heads, half, cosines + n % time * half, sines + n % time * half); });
}

/// attend(task) for each kv head of each sequence, `task` being `first` moved there.
template <class Attention>
void CpuBackend::each_kv_head(const AttentionTask& first, Type type, const AttentionShape& shape, Attention attend) {
  const auto scratch = static_cast<int64_t>(loops_.attention_scratch[type](shape.keys, shape.head_dim));
  char* all_scratch = attention_.get<char>(thread_count() * scratch);
  const int64_t size = type == kFloat ? 4 : 2, group = first.group;
#pragma omp parallel for schedule(dynamic)
  for (int64_t i = 0; i < shape.batch * shape.kv_heads; ++i) {
    const int64_t b = i / shape.kv_heads, kv = i % shape.kv_heads, query = b * shape.queries, key = b * shape.keys;
    const auto moved = [&](Lines x, int64_t line, int64_t head) {
      if (x.data != nullptr) x.data = static_cast<char*>(x.data) + (line * x.stride + head * shape.head_dim) * size;
      return x;
    };
    AttentionTask task = first;
    for (Lines AttentionTask::*of_query : {&AttentionTask::q, &AttentionTask::dq, &AttentionTask::out, &AttentionTask::dout})
      task.*of_query = moved(first.*of_query, query, kv * group);
    for (Lines AttentionTask::*of_key : {&AttentionTask::k, &AttentionTask::dk, &AttentionTask::v, &AttentionTask::dv})
      task.*of_key = moved(first.*of_key, key, kv);
    if (shape.mask.first_key != nullptr) task.first_key = shape.mask.first_key + query;
    task.lse = first.lse + i * group * shape.queries;
    task.scratch = all_scratch + thread_index() * scratch;
    attend(task);
  }
}

void CpuBackend::attention(Tensor out, Tensor lse, const Qkv& in, const AttentionShape& shape) {
  const Type type = type_of(out);
  each_kv_head(attention_task(out, lse, in, shape), type, shape, loops_.attention[type]);
}

void CpuBackend::attention_backward(const Qkv& d, Tensor dout, Tensor out, Tensor lse, const Qkv& in, const AttentionShape& shape) {
  const Type type = type_of(out);
  SPECTRA_CHECK(type_of(dout) == type && type_of(d.q) == type && type_of(d.k) == type && type_of(d.v) == type);
  AttentionTask first = attention_task(out, lse, in, shape);
  first.dout = lines(dout);
  first.dq = lines(d.q), first.dk = lines(d.k), first.dv = lines(d.v);
  each_kv_head(first, type, shape, loops_.attention_backward[type]);
}

void CpuBackend::glu(Tensor h, Tensor gate_up, Gate gate) {
  SPECTRA_CHECK(type_of(h) == type_of(gate_up) && gate_up.cols == 2 * h.cols && gate_up.rows == h.rows);
  const auto loop = loops_.glu[static_cast<size_t>(gate)][type_of(h)];
  each_row(h.rows, [&](int64_t n) { loop(row(h, n), row(gate_up, n), at(gate_up, n, h.cols), h.cols); });
}

void CpuBackend::glu_backward(Tensor dgate_up, Tensor dh, Tensor gate_up, Gate gate) {
  SPECTRA_CHECK(type_of(dh) == type_of(gate_up) && type_of(dgate_up) == type_of(gate_up) && gate_up.cols == 2 * dh.cols);
  const auto loop = loops_.glu_backward[static_cast<size_t>(gate)][type_of(dh)];
  const int64_t width = dh.cols;
  each_row(dh.rows, [&](int64_t n) {
    loop(row(dgate_up, n), at(dgate_up, n, width), row(dh, n), row(gate_up, n), at(gate_up, n, width), width);
  });
}

}  // namespace spectra::ops::cpu
