// SPDX-License-Identifier: Apache-2.0
// What the gradients do not show: causality, head mapping, the optimizer's edge cases, buffers, the factory.
#include <cstring>
#include <limits>

#include "base/error.h"
#include "fp64.h"
#include "ops/host_memory.h"

namespace spectra::ops {
namespace {

struct Reference : ::testing::Test, test::Fp64 {};

TEST_F(Reference, AttentionIsCausalAndStaysInItsSequence) {
  const AttentionShape shape = self_attention(2, 5, 2, 1, 4);
  const Tensor qkv = random(10, 16), out = zeros(10, 8), changed = zeros(10, 8), lse = zeros(4, 5);
  backend.attention(out, lse, split_qkv(qkv, shape), shape);
  for (int64_t c = 0; c < 16; ++c) qkv.as<double>()[3 * 16 + c] += 1;  // sequence 0, position 3
  backend.attention(changed, lse, split_qkv(qkv, shape), shape);
  for (int64_t n = 0; n < 10; ++n) {
    const bool same = std::memcmp(out.row_range(n, 1).data, changed.row_range(n, 1).data, 8 * sizeof(double)) == 0;
    EXPECT_EQ(same, n < 3 || n >= 5) << "row " << n;
  }
}

TEST_F(Reference, AttentionStaysInItsDocument) {
  const std::vector<int32_t> first = {0, 0, 2, 2, 2};  // documents of 2 and 3 tokens
  const AttentionShape masked = self_attention(1, 5, 2, 1, 4, {MaskKind::kCausal, 0, first.data()});
  const AttentionShape plain = self_attention(1, 2, 2, 1, 4), rest = self_attention(1, 3, 2, 1, 4);
  const Tensor qkv = random(5, 16), out = zeros(5, 8), alone = zeros(5, 8), lse = zeros(2, 5);
  backend.attention(out, lse, split_qkv(qkv, masked), masked);
  backend.attention(alone.row_range(0, 2), zeros(2, 2), split_qkv(qkv.row_range(0, 2), plain), plain);
  backend.attention(alone.row_range(2, 3), zeros(2, 3), split_qkv(qkv.row_range(2, 3), rest), rest);
  EXPECT_EQ(std::memcmp(out.data, alone.data, out.bytes()), 0);
}

// The first query of a sequence sees only its own value: head h gets the value of head h / (H/K).
TEST_F(Reference, QueryHeadsShareKeyValueHeadsInRuns) {
  const AttentionShape shape = self_attention(1, 1, 4, 2, 3);
  const Tensor qkv = random(1, 24), out = zeros(1, 12), lse = zeros(4, 1);
  backend.attention(out, lse, split_qkv(qkv, shape), shape);
  const double* v = qkv.as<double>() + (4 + 2) * 3;
  for (int64_t h = 0; h < 4; ++h) {
    for (int64_t e = 0; e < 3; ++e) EXPECT_NEAR(out.as<double>()[h * 3 + e], v[(h / 2) * 3 + e], 1e-15);
  }
}

TEST_F(Reference, RopeKeepsPositionZeroAndValues) {
  const Tensor qkv = random(6, 16), rotated = copy(qkv);
  backend.rope(rotated.col_range(0, 12), 3, 3, test::rotation(10000, 4), false);
  const auto same = [&](int64_t n, int64_t from, int64_t count) {
    const int64_t at = n * 16 + from;
    return std::memcmp(qkv.as<double>() + at, rotated.as<double>() + at, static_cast<size_t>(count) * sizeof(double)) == 0;
  };
  for (int64_t n = 0; n < 6; ++n) {
    EXPECT_EQ(same(n, 0, 12), n % 3 == 0) << n;
    EXPECT_TRUE(same(n, 12, 4)) << n;
  }
}

TEST_F(Reference, AdamWClipsByTheGlobalNorm) {
  const AdamW hyper{0.1f, 0.5f, 0.5f, 0.0f, 0.0f, 1};
  const Tensor w = random(2, 2), before = copy(w), g = random(2, 2), kept = copy(g), m = zeros(2, 2), v = zeros(2, 2);
  const Tensor norm = zeros(1, 1);
  backend.sum_squares(norm, g);
  EXPECT_NEAR(*norm.as<double>(), test::dot(g, g), 1e-15);
  *norm.as<double>() = 16;  // as if other parameters had the rest
  backend.adamw(w, g, m, v, hyper, *norm.as<double>(), 1.0f);
  for (int64_t i = 0; i < 4; ++i) {
    const double gradient = kept.as<double>()[i] / 4;
    EXPECT_NEAR(m.as<double>()[i], gradient / 2, 1e-15);
    EXPECT_NEAR(v.as<double>()[i], gradient * gradient / 2, 1e-15);
    EXPECT_NEAR(w.as<double>()[i], before.as<double>()[i] - 0.1 * std::copysign(1.0, gradient), 1e-8);
    EXPECT_EQ(g.as<double>()[i], 0.0);
  }
}

TEST_F(Reference, AdamWSkipsANonFiniteStepButClearsTheGradient) {
  const AdamW hyper{0.1f, 0.9f, 0.95f, 1e-8f, 0.1f, 3};
  const Tensor w = random(2, 3), before = copy(w), g = random(2, 3), m = random(2, 3), m0 = copy(m), v = zeros(2, 3);
  const Tensor norm = zeros(1, 1);
  for (const double bad : {std::numeric_limits<double>::infinity(), std::numeric_limits<double>::quiet_NaN()}) {
    *norm.as<double>() = bad;
    backend.adamw(w, g, m, v, hyper, *norm.as<double>(), 1.0f);
    EXPECT_EQ(std::memcmp(w.data, before.data, w.bytes()), 0);
    EXPECT_EQ(std::memcmp(m.data, m0.data, m.bytes()), 0);
    EXPECT_EQ(test::dot(g, g), 0.0);
  }
}

TEST(Buffer, IsZeroedAlignedAndMovable) {
  for (const size_t bytes : {size_t{1}, size_t{1000}, size_t{5} << 20}) {
    Buffer buffer = host_memory(bytes);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(buffer.data()) % 64, 0u);
    for (size_t i = 0; i < bytes; ++i) ASSERT_EQ(static_cast<char*>(buffer.data())[i], 0);
    std::memset(buffer.data(), 1, bytes);
    Buffer moved = std::move(buffer);
    EXPECT_EQ(moved.size(), bytes);
    EXPECT_EQ(static_cast<char*>(moved.data())[bytes - 1], 1);
    moved = Buffer();
  }
  EXPECT_EQ(host_memory(0).data(), nullptr);
  EXPECT_THROW(host_memory(size_t{1} << 60), Error);
}

TEST(MakeBackend, NamesItsChoices) {
  EXPECT_EQ(make_backend("cpu", "reference")->master(), DType::kF32);
  EXPECT_EQ(make_backend("cpu", "reference-fp64")->master(), DType::kF64);
  EXPECT_THROW(make_backend("cpu", "fp8"), Error);
}

TEST(MakeBackend, RefusesADeviceThatThisBuildLacksByName) {
  try {
    make_backend("cuda", "reference");
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("no CUDA backend"), std::string::npos) << error.what();
  }
  EXPECT_THROW(make_backend("abacus", "reference"), Error);
  EXPECT_EQ(make_backend("auto", "reference")->name(), "reference");
}

}  // namespace
}  // namespace spectra::ops
