// SPDX-License-Identifier: Apache-2.0
// Which code of oneDNN runs the products of training.
#include "ops/cpu/gemm.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <string>

#include "base/error.h"
#include "base/system.h"
#include "ops/backend.h"

namespace spectra::ops {
namespace {

/// Tokens of a micro-batch and the model's dimensions.
struct Shapes {
  const char* name;
  int64_t tokens, hidden, glu, vocab;
};

/// oneDNN 2 and 3 name the same code differently.
bool is_brgemm(const std::string& implementation) {
  return implementation == "brg:avx512_core_bf16" || implementation == "brg_matmul:avx512_core_bf16";
}

/// oneDNN falls back to "gemm:jit", half as fast, without a word.
TEST(CpuGemm, Bf16ProductsOfTrainingRunOnBrgemm) {
  if (!cpu_features().avx512_bf16) GTEST_SKIP() << "SKIPPED: this CPU has no AVX512_BF16";
  cpu::Gemm gemm;
  for (const Shapes& s :
       {Shapes{"10m-v4096", 4096, 256, 640, 4096}, {"10m-v8192", 4096, 256, 640, 8192}, {"99M", 2048, 512, 1280, 50304}}) {
    struct Weight {
      int64_t tokens, out, in;
      DType y;  // o, down and head write fp32
    };
    const Weight weights[] = {{s.tokens, 3 * s.hidden, s.hidden, DType::kBf16},
                              {s.tokens, s.hidden, s.hidden, DType::kF32},
                              {s.tokens, 2 * s.glu, s.hidden, DType::kBf16},
                              {s.tokens, s.hidden, s.glu, DType::kF32},
                              {512, s.vocab, s.hidden, DType::kF32}};  // the head works in chunks
    for (const Weight& w : weights) {
      for (const bool scaled : {false, true}) {
        const cpu::GemmShape forward{w.tokens, w.out, w.in, false, true, DType::kBf16, w.y, false, scaled};
        const cpu::GemmShape dx{w.tokens, w.in, w.out, false, false, DType::kBf16, DType::kBf16, false, scaled};
        EXPECT_TRUE(is_brgemm(gemm.implementation(forward)))
            << gemm.implementation(forward) << " " << s.name << ", " << w.out << " x " << w.in;
        EXPECT_TRUE(is_brgemm(gemm.implementation(dx)))
            << gemm.implementation(dx) << " " << s.name << ", " << w.out << " x " << w.in;
      }
      const cpu::GemmShape dw{w.out, w.in, w.tokens, true, false, DType::kBf16, DType::kF32, true, false};
      EXPECT_TRUE(is_brgemm(gemm.implementation(dw))) << gemm.implementation(dw) << " " << s.name << ", " << w.out << " x " << w.in;
    }
  }
  EXPECT_EQ(gemm.compiled().size(), 2u * 25u + 5u);  // the second 10m class differs in the head alone
}

TEST(CpuBackend, RefusesBf16WhereTheCpuLacksIt) {
  if (cpu_features().avx512_bf16) GTEST_SKIP() << "SKIPPED: this CPU has AVX512_BF16";
  EXPECT_THROW(make_backend("cpu", "bf16"), Error);
  EXPECT_EQ(make_backend("cpu", "auto")->activation(), DType::kF32);
}

}  // namespace
}  // namespace spectra::ops
