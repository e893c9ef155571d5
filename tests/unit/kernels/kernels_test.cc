// SPDX-License-Identifier: Apache-2.0
#include "kernels/kernels.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <vector>

#include "base/rng.h"
#include "kernels/tables.h"
#include "lowbit/packed.h"

namespace spectra::kernels {
namespace {

class EveryIsa : public testing::TestWithParam<Isa> {};

/// Every kernel but `busy_*`, which compute nothing: an attention pair is tested as one, quantize_i8 together with absmax.
constexpr size_t kKernelCount =
    (sizeof(Kernels) - sizeof(const char*)) / sizeof(void (*)()) - 3 /* busy */ - 3 /* pairs */ - 1 /* absmax */;

TEST_P(EveryIsa, EqualsTheScalarTwin) {
  std::vector<SelfTestResult> results(kKernelCount);
  ASSERT_EQ(self_test(GetParam(), 1, results.data(), results.size()), kKernelCount) << "a kernel without a self-test";
  std::set<std::string> names;
  for (const SelfTestResult& result : results) {
    EXPECT_TRUE(result.equal) << result.kernel << " worst " << result.worst;
    names.insert(result.kernel);
  }
  EXPECT_EQ(names.size(), kKernelCount);
}

/// One tile of `format` whose codes are all `code`, times token rows of `x`.
float extreme_product(const Kernels& k, lowbit::Format format, int8_t code, int8_t x) {
  const int64_t cols = 7680;  // whole groups in every format
  const lowbit::Layout layout{format, 16, cols, {0, cols}};
  const std::vector<int8_t> codes(static_cast<size_t>(16 * cols), code), values(static_cast<size_t>(cols), x);
  std::vector<uint8_t> packed(static_cast<size_t>(layout.tile_bytes()));
  lowbit::pack_tile(layout, 0, codes.data(), packed.data());
  const auto groups = static_cast<size_t>(cols / lowbit::group_columns(format));
  const std::vector<float> scales(16, 1.0f);
  const int32_t sum = static_cast<int32_t>(cols) * x;
  const float scale = 1.0f;
  std::vector<float> y(16);
  k.matmul_tiles_i8[static_cast<size_t>(format)](y.data(), 16,
                                                 {packed.data(), packed.size(), 1, 16, 1, &groups, scales.data(), packed.data()},
                                                 {values.data(), static_cast<size_t>(cols), 1, &sum, &scale});
  for (const float value : y) EXPECT_EQ(value, y[0]);
  return y[0];
}

// Sums of 16 bits would overflow here.
TEST_P(EveryIsa, Int8IsExactAtItsExtremes) {
  const Kernels& k = kernels_for(GetParam());
  for (size_t f = 0; f < lowbit::kFormats; ++f) {
    const auto format = static_cast<lowbit::Format>(f);
    const int largest = std::max(1, lowbit::code_offset(format) - 1), least = -lowbit::code_offset(format);
    for (const int code : {least, largest})
      for (const int x : {-127, 127})
        EXPECT_EQ(extreme_product(k, format, static_cast<int8_t>(code), static_cast<int8_t>(x)),
                  7680.0f * static_cast<float>(code * x))
            << lowbit::format_name(format);
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
    float product = 0;
    k.matmul_f32(&product, 1, x.data(), n, 1, w.data(), n, 1, n);
    EXPECT_NEAR(product, static_cast<double>(dot), 1e-6 * static_cast<double>(size));
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
    k.relu2_mul(y.data(), x.data(), w.data(), n);
    for (size_t i = 0; i < n; ++i) {
      const double positive = std::max(0.0, static_cast<double>(x[i])), expected = positive * positive * static_cast<double>(w[i]);
      EXPECT_NEAR(y[i], expected, 1e-6 * std::fabs(expected));
    }
    k.gelu_mul(y.data(), x.data(), w.data(), n);
    for (size_t i = 0; i < n; ++i) {
      const double gate = static_cast<double>(x[i]);
      const double expected = gate * std::erfc(-gate / std::sqrt(2.0)) / 2 * static_cast<double>(w[i]);
      EXPECT_NEAR(y[i], expected, 1e-6 * std::max(1.0, gate * gate) * std::fabs(expected));  // exp(-x²/2) of a rounded x²
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
  EXPECT_EQ(k.absmax(x.data(), x.size()), 127.0f);
  EXPECT_EQ(k.quantize_i8(q.data(), x.data(), x.size(), 1.0f), 127 + 2 + 2 - 2 - 126);
  EXPECT_EQ(q, expected);
  const std::vector<float> zeros(20, 0.0f);
  q.assign(20, 99);
  EXPECT_EQ(k.quantize_i8(q.data(), zeros.data(), 20, 0.0f), 0);
  EXPECT_EQ(q, std::vector<int8_t>(20, 0));
}

TEST_P(EveryIsa, LimitsOfArithmeticAreCounted) {
  const Kernels& k = kernels_for(GetParam());
  EXPECT_GT(k.busy_f32(10), 10.0);
  EXPECT_GT(k.busy_i8(10), 10.0);
  if (k.busy_bf16 != nullptr) {
    EXPECT_GT(k.busy_bf16(10), 10.0);
  }
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
// What a CPU with VNNI but without VBMI and BF16 runs, which the newer one that tests run on replaces.
TEST(Avx512WithoutExtensions, EqualsTheScalarTwin) {
  const std::vector<Isa> isas = available_isas();
  if (isas.back() != Isa::kAvx512Vnni) GTEST_SKIP() << "SKIPPED: this CPU has no AVX-512 VNNI";
  Kernels table = scalar_kernels();
  use_avx512(table);
  use_avx512vnni(table);
  std::vector<SelfTestResult> results(kKernelCount);
  self_test(table, 3, results.data(), results.size());
  for (const SelfTestResult& result : results) EXPECT_TRUE(result.equal) << result.kernel << " worst " << result.worst;
}
#endif

TEST(Table, NamesWhatIsInUse) {
  EXPECT_STREQ(kernels_for(Isa::kScalar).name, "scalar");
  EXPECT_STREQ(kernels_for(available_isas().back()).name, kernels().name);
  EXPECT_EQ(&kernels(), &kernels_for(selected_isa()));
}

}  // namespace
}  // namespace spectra::kernels
