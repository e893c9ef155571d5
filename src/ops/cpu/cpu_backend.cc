// SPDX-License-Identifier: Apache-2.0
#include "ops/cpu/cpu_backend.h"

#include <cstring>

#include "base/parallel.h"
#include "base/system.h"
#include "ops/cpu/pieces.h"

namespace spectra::ops {

std::unique_ptr<Backend> make_cpu_backend(DType activation) {
  if (activation == DType::kBf16 && !cpu_features().avx512_bf16) {
    throw Error(Exit::kFailed, fmt::format("bf16 needs a CPU with AVX512_BF16; this is \"{}\"", cpu_name()), "use fp32 or auto");
  }
  return std::make_unique<cpu::CpuBackend>(activation, cpu::loops());
}

namespace cpu {

CpuBackend::CpuBackend(DType activation, const Loops& loops) : activation_(activation), loops_(loops) {
  compute_threads();  // sizes the OpenMP pool, which oneDNN shares
}

std::string CpuBackend::name() const {
  const char* precision = activation_ == DType::kBf16 ? "bf16" : activation_ == DType::kF16 ? "fp16" : "fp32";
  return fmt::format("cpu-{} ({})", precision, loops_.name);
}

size_t CpuBackend::scratch_bytes() const {
  return gemm_.scratch_bytes() + operand_.bytes() + line_scale_.bytes() + partials_.bytes() + attention_.bytes() + angles_.bytes() +
         wide_a_.bytes() + wide_b_.bytes() + wide_c_.bytes();
}

std::vector<Product> CpuBackend::products() const {
  std::vector<Product> all;
  for (const Gemm::Compiled& one : gemm_.compiled()) {
    const char* pass = one.shape.a_transposed ? "weight gradient" : one.shape.b_transposed ? "forward" : "input gradient";
    all.push_back({pass, one.shape.m, one.shape.n, one.shape.k, one.implementation});
  }
  return all;
}

void CpuBackend::copy_in(Tensor to, const float* from) {
  copy(to, Tensor(const_cast<float*>(from), DType::kF32, to.rows, to.cols));
}

void CpuBackend::copy_out(float* to, Tensor from) { copy(Tensor(to, DType::kF32, from.rows, from.cols), from); }

void CpuBackend::zero(Tensor x) {
  each_slice(x, x.dense(), [&](int64_t n, int64_t col, int64_t count) {
    std::memset(at(x, n, col), 0, static_cast<size_t>(count) * dtype_size(x.dtype));
  });
}

void CpuBackend::add(Tensor y, Tensor x) {
  SPECTRA_CHECK(y.rows == x.rows && y.cols == x.cols, "{} x {} += {} x {}", y.rows, y.cols, x.rows, x.cols);
  const auto loop = loops_.add[type_of(y)][type_of(x)];
  each_slice(y, y.dense() && x.dense(), [&](int64_t n, int64_t col, int64_t count) { loop(at(y, n, col), at(x, n, col), count); });
}

void CpuBackend::copy(Tensor to, Tensor from) {
  SPECTRA_CHECK(to.rows == from.rows && to.cols == from.cols, "{} x {} = {} x {}", to.rows, to.cols, from.rows, from.cols);
  const auto loop = loops_.convert[type_of(to)][type_of(from)];
  each_slice(to, to.dense() && from.dense(),
             [&](int64_t n, int64_t col, int64_t count) { loop(at(to, n, col), at(from, n, col), count); });
}

void CpuBackend::embedding(Tensor x, const int32_t* tokens, Tensor table) {
  each_row(x.rows, [&](int64_t n) { loops_.convert[kFloat][kFloat](row(x, n), row(table, tokens[n]), x.cols); });
}

/// Tokens repeat, so threads share columns instead of rows: each adds up its columns in token order.
void CpuBackend::embedding_backward(Tensor dtable, const int32_t* tokens, Tensor dx) {
  constexpr int64_t kColumns = 64;
  const auto loop = loops_.add[kFloat][type_of(dx)];
  SPECTRA_CHECK(type_of(dtable) == kFloat);
  each_piece(dx.cols, kColumns, [&](int64_t, int64_t begin, int64_t end) {
    for (int64_t n = 0; n < dx.rows; ++n) loop(at(dtable, tokens[n], begin), at(dx, n, begin), end - begin);
  });
}

}  // namespace cpu
}  // namespace spectra::ops
