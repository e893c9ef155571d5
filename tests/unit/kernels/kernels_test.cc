// SPDX-License-Identifier: Apache-2.0
#include "kernels/kernels.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <set>
#include <vector>

#include "base/rng.h"
#include "kernels/tables.h"

namespace spectra::kernels {
namespace {

constexpr size_t kKernelCount = (sizeof(Kernels) - sizeof(const char*)) / sizeof(void (*)());

class EveryIsa : public testing::TestWithParam<Isa> {};

TEST_P(EveryIsa, EqualsTheScalarTwin) {
  for (const uint64_t seed : {1u, 2u}) {
    std::array<SelfTestResult, kKernelCount> results{};
    ASSERT_EQ(self_test(GetParam(), seed, results.data(), results.size()), kKernelCount) << "a kernel without a self-test";
    std::set<std::string> names;
    for (const SelfTestResult& result : results) {
      EXPECT_TRUE(result.equal) << result.kernel << " worst " << result.worst;
      names.insert(result.kernel);
    }
    EXPECT_EQ(names.size(), kKernelCount);
  }
}

TEST_P(EveryIsa, Int8IsExactUpTo65536Terms) {
  const Kernels& k = kernels_for(GetParam());
  for (const int8_t a : {int8_t{-128}, int8_t{127}})
    for (const int8_t b : {int8_t{-128}, int8_t{127}}) {
      const std::vector<int8_t> x(65536, a), w(65536, b);
      EXPECT_EQ(k.dot_i8(x.data(), w.data(), x.size()), a * b * 65536);
    }
}

TEST_P(EveryIsa, ToBf16RoundsEveryKindOfFloatAndKeepsNan) {
  const Kernels& k = kernels_for(GetParam());
  std::vector<float> x;
  for (uint64_t bits = 0; bits < (1ull << 32); bits += 65521) x.push_back(bits_float(static_cast<uint32_t>(bits)));
  std::vector<bf16> y(x.size());
  k.to_bf16(y.data(), x.data(), x.size());
  for (size_t i = 0; i < x.size(); ++i) ASSERT_EQ(y[i].bits, to_bf16(x[i]).bits) << float_bits(x[i]);
}

// Against long double, so that scalar and vector code cannot be wrong together.
TEST_P(EveryIsa, AgreesWithArithmeticInHigherPrecision) {
  const Kernels& k = kernels_for(GetParam());
  Rng rng(7);
  for (const size_t n : {1u, 5u, 16u, 61u, 512u}) {
    std::vector<float> x(n), w(n), y(n);
    for (size_t i = 0; i < n; ++i)
      x[i] = static_cast<float>(rng.normal_at(2 * i)), w[i] = static_cast<float>(rng.normal_at(2 * i + 1));
    long double dot = 0, squares = 0, exps = 0, size = 0;
    for (size_t i = 0; i < n; ++i) {
      dot += static_cast<long double>(x[i]) * w[i];
      size += std::fabs(static_cast<long double>(x[i]) * w[i]);
      squares += static_cast<long double>(x[i]) * x[i];
      exps += std::exp(static_cast<long double>(x[i]));
    }
    EXPECT_NEAR(k.dot_f32(x.data(), w.data(), n), static_cast<double>(dot), 1e-6 * static_cast<double>(size));
    EXPECT_NEAR(k.log_sum_exp(x.data(), n), static_cast<double>(std::log(exps)), 1e-6);
    k.rmsnorm(y.data(), x.data(), w.data(), n, 1e-5f);
    for (size_t i = 0; i < n; ++i) {
      const long double expected = x[i] / std::sqrt(squares / static_cast<long double>(n) + 1e-5L) * w[i];
      EXPECT_NEAR(y[i], static_cast<double>(expected), 1e-6 * std::fabs(static_cast<double>(expected)));
    }
    k.silu_mul(y.data(), x.data(), w.data(), n);
    for (size_t i = 0; i < n; ++i) {
      const long double expected = x[i] / (1.0L + std::exp(-static_cast<long double>(x[i]))) * w[i];
      EXPECT_NEAR(y[i], static_cast<double>(expected), 1e-6 * std::fabs(static_cast<double>(expected)));
    }
    y = x;
    k.softmax(y.data(), n);
    for (size_t i = 0; i < n; ++i) {
      const auto expected = static_cast<double>(std::exp(static_cast<long double>(x[i])) / exps);
      EXPECT_NEAR(y[i], expected, 1e-6 * expected);
    }
  }
}

TEST_P(EveryIsa, QuantizesHalvesToEven) {
  const Kernels& k = kernels_for(GetParam());
  const std::vector<float> x = {127.0f, 0.5f, 1.5f, 2.5f, -0.5f, -1.5f, -126.5f, 0.0f, -0.0f};
  const std::vector<int8_t> expected = {127, 0, 2, 2, 0, -2, -126, 0, 0};
  std::vector<int8_t> q(x.size(), 99);
  EXPECT_EQ(k.quantize_i8(q.data(), x.data(), x.size()), 1.0f);
  EXPECT_EQ(q, expected);
  const std::vector<float> zeros(20, 0.0f);
  q.assign(20, 99);
  EXPECT_EQ(k.quantize_i8(q.data(), zeros.data(), 20), 0.0f);
  EXPECT_EQ(q, std::vector<int8_t>(20, 0));
}

INSTANTIATE_TEST_SUITE_P(Isas, EveryIsa, testing::ValuesIn(available_isas()),
                         [](const auto& test) { return isa_name(test.param); });

TEST(Exp, IsWithinOneUlp) {
  double worst = 0;
  for (uint64_t bits = 0; bits < (1ull << 32); bits += 997) {
    const float x = bits_float(static_cast<uint32_t>(bits));
    if (!std::isfinite(x)) continue;
    const double expected = std::exp(static_cast<double>(x));
    if (expected < 0x1p-126) {
      EXPECT_EQ(exp_lane(x), 0.0f) << x;
    } else if (expected > 0x1.fffffep+127) {
      EXPECT_EQ(exp_lane(x), INFINITY) << x;
    } else {
      worst = std::max(worst, std::fabs(exp_lane(x) - expected) / std::ldexp(1.0, std::ilogb(expected) - 23));
    }
  }
  EXPECT_LT(worst, 1.0);
  RecordProperty("worst_ulp", std::to_string(worst));
}

#if defined(__x86_64__)
// What a CPU with AVX-512 but without VNNI and BF16 runs, which the newer one that tests run on replaces.
TEST(Avx512WithoutExtensions, EqualsTheScalarTwin) {
  if (available_isas().back() != Isa::kAvx512) GTEST_SKIP() << "SKIPPED: this CPU has no AVX-512";
  Kernels table = scalar_kernels();
  use_avx512(table);
  std::array<SelfTestResult, kKernelCount> results{};
  self_test(table, 3, results.data(), results.size());
  for (const SelfTestResult& result : results) EXPECT_TRUE(result.equal) << result.kernel << " worst " << result.worst;
}
#endif

TEST(Table, NamesWhatIsInUse) {
  EXPECT_STREQ(kernels_for(Isa::kScalar).name, "scalar");
  for (const Isa isa : available_isas()) EXPECT_EQ(std::string(kernels_for(isa).name).rfind(isa_name(isa), 0), 0u);
  EXPECT_EQ(&kernels(), &kernels_for(selected_isa()));
}

}  // namespace
}  // namespace spectra::kernels
