// SPDX-License-Identifier: Apache-2.0
#include "ops/cpu/gemm.h"

#include <dnnl.hpp>
#include <map>
#include <tuple>
#include <unordered_map>

#include "base/error.h"
#include "ops/host_memory.h"

namespace spectra::ops::cpu {
namespace {

dnnl::memory::data_type dnnl_type(DType dtype) {
  SPECTRA_CHECK(dtype == DType::kF32 || dtype == DType::kBf16, "{}", dtype_name(dtype));
  return dtype == DType::kF32 ? dnnl::memory::data_type::f32 : dnnl::memory::data_type::bf16;
}

dnnl::memory::desc matrix(int64_t rows, int64_t cols, DType dtype, bool transposed) {
  const dnnl::memory::dims strides = transposed ? dnnl::memory::dims{1, rows} : dnnl::memory::dims{cols, 1};
  return {{rows, cols}, dnnl_type(dtype), strides};
}

/// A primitive with its arguments, whose pointers are set before each call.
struct Primitive {
  dnnl::matmul primitive;
  dnnl::memory a, b, c, scale, scratch;
  std::unordered_map<int, dnnl::memory> arguments;
  GemmShape shape;
  std::string implementation;
  size_t scratch_bytes;
};

dnnl::matmul::primitive_desc describe(const GemmShape& s, const dnnl::engine& engine) {
  dnnl::primitive_attr attributes;
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  dnnl::post_ops after;
  // Not as output scales: those, given at run time, push oneDNN 2.6 off the brgemm path.
  if (s.scaled) after.append_binary(dnnl::algorithm::binary_mul, matrix(1, s.n, DType::kF32, false));
  if (s.accumulate) after.append_sum(1.0f);
  attributes.set_post_ops(after);
  const dnnl::memory::desc a = matrix(s.m, s.k, s.in, s.a_transposed), b = matrix(s.k, s.n, s.in, s.b_transposed);
  const dnnl::memory::desc c = matrix(s.m, s.n, s.out, false);
#if DNNL_VERSION_MAJOR >= 3
  return {engine, a, b, c, attributes};
#else
  return {dnnl::matmul::desc(a, b, c), attributes, engine};
#endif
}

std::unique_ptr<Primitive> compile(const GemmShape& s, const dnnl::engine& engine) {
  const dnnl::matmul::primitive_desc description = describe(s, engine);
  auto compiled = std::make_unique<Primitive>();
  compiled->primitive = dnnl::matmul(description);
  compiled->a = dnnl::memory(description.src_desc(), engine, nullptr);
  compiled->b = dnnl::memory(description.weights_desc(), engine, nullptr);
  compiled->c = dnnl::memory(description.dst_desc(), engine, nullptr);
  compiled->scale = dnnl::memory(matrix(1, s.n, DType::kF32, false), engine, nullptr);
  compiled->scratch = dnnl::memory(description.scratchpad_desc(), engine, nullptr);
  compiled->arguments = {{DNNL_ARG_SRC, compiled->a},
                         {DNNL_ARG_WEIGHTS, compiled->b},
                         {DNNL_ARG_DST, compiled->c},
                         {DNNL_ARG_SCRATCHPAD, compiled->scratch}};
  if (s.scaled) compiled->arguments[DNNL_ARG_ATTR_MULTIPLE_POST_OP(0) | DNNL_ARG_SRC_1] = compiled->scale;
  compiled->shape = s;
  compiled->implementation = description.impl_info_str();
  compiled->scratch_bytes = description.scratchpad_desc().get_size();
  return compiled;
}

using Key = std::tuple<int64_t, int64_t, int64_t, bool, bool, DType, DType, bool, bool>;
Key key(const GemmShape& s) { return {s.m, s.n, s.k, s.a_transposed, s.b_transposed, s.in, s.out, s.accumulate, s.scaled}; }

}  // namespace

struct Gemm::Impl {
  dnnl::engine engine{dnnl::engine::kind::cpu, 0};
  dnnl::stream stream{engine};
  std::map<Key, std::unique_ptr<Primitive>> compiled;
  Buffer scratch;  // of the largest shape so far; products run one after the other

  Primitive& of(const GemmShape& shape) {
    std::unique_ptr<Primitive>& found = compiled[key(shape)];
    if (!found) {
      found = compile(shape, engine);
      if (found->scratch_bytes > scratch.size()) scratch = host_memory(found->scratch_bytes);
    }
    return *found;
  }
};

Gemm::Gemm() : impl_(std::make_unique<Impl>()) {}
Gemm::~Gemm() = default;

void Gemm::run(const GemmShape& shape, void* c, const void* a, const void* b, const float* column_scale) {
  SPECTRA_CHECK(!shape.accumulate || shape.out == DType::kF32);
  SPECTRA_CHECK(shape.scaled == (column_scale != nullptr));
  if (shape.m == 0 || shape.n == 0) return;
  Primitive& compiled = impl_->of(shape);
  compiled.a.set_data_handle(const_cast<void*>(a));
  compiled.b.set_data_handle(const_cast<void*>(b));
  compiled.c.set_data_handle(c);
  if (shape.scaled) compiled.scale.set_data_handle(const_cast<float*>(column_scale));
  compiled.scratch.set_data_handle(impl_->scratch.data());
  compiled.primitive.execute(impl_->stream, compiled.arguments);
  impl_->stream.wait();
}

std::string Gemm::implementation(const GemmShape& shape) { return impl_->of(shape).implementation; }

std::vector<Gemm::Compiled> Gemm::compiled() const {
  std::vector<Compiled> all;
  for (const auto& entry : impl_->compiled) all.push_back({entry.second->shape, entry.second->implementation});
  return all;
}

size_t Gemm::scratch_bytes() const { return impl_->scratch.size(); }

}  // namespace spectra::ops::cpu
