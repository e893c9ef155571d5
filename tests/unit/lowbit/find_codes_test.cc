// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <vector>

#include "base/error.h"
#include "base/half.h"
#include "base/rng.h"
#include "lowbit/packed.h"

namespace spectra::lowbit {
namespace {

struct Matrix {
  int64_t rows, cols;
  std::vector<float> w;
  float& at(int64_t r, int64_t c) { return w[static_cast<size_t>(r * cols + c)]; }
};

/// Random codes times one fp16 scale per shard.
Matrix low_bit(int64_t rows, int64_t cols, ShardAxis axis, const std::vector<int64_t>& bounds, bool binary, Rng& rng) {
  Matrix m{rows, cols, std::vector<float>(static_cast<size_t>(rows * cols))};
  std::vector<float> scales;
  for (size_t s = 0; s + 1 < bounds.size(); ++s) scales.push_back(round_to_fp16(static_cast<float>(0.01 + rng.uniform())));
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t c = 0; c < cols; ++c) {
      const int64_t line = axis == ShardAxis::kRows ? r : c;
      size_t s = 0;
      while (bounds[s + 1] <= line) ++s;
      const int code = binary ? static_cast<int>(rng.below(2)) * 2 - 1 : static_cast<int>(rng.below(3)) - 1;
      m.at(r, c) = code == 0 ? 0.0f : static_cast<float>(code) * scales[s];
    }
  return m;
}

std::vector<int64_t> equal(int64_t length, int64_t shards) {
  std::vector<int64_t> bounds;
  for (int64_t s = 0; s <= shards; ++s) bounds.push_back(length * s / shards);
  return bounds;
}

void expect_bitwise(const Matrix& m, const Codes& codes) {
  std::vector<float> back(m.w.size());
  expand(codes, back.data());
  EXPECT_EQ(std::memcmp(back.data(), m.w.data(), m.w.size() * sizeof(float)), 0);
}

TEST(FindCodes, RandomShapesAndShardsComeBackBitwise) {
  Rng rng(3);
  for (int trial = 0; trial < 200; ++trial) {
    const auto rows = static_cast<int64_t>(6 + rng.below(90)), cols = static_cast<int64_t>(6 + rng.below(170));
    const auto shards = static_cast<int64_t>(1 + rng.below(6));
    const ShardAxis axis = rng.below(2) == 0 ? ShardAxis::kRows : ShardAxis::kColumns;
    const std::vector<int64_t> bounds = equal(axis == ShardAxis::kRows ? rows : cols, shards);
    const bool binary = rng.below(2) == 0;
    const Matrix m = low_bit(rows, cols, axis, bounds, binary, rng);
    const Codes codes = find_codes(m.w.data(), rows, cols, axis, shards, binary, "w");
    EXPECT_EQ(codes.axis, axis);
    EXPECT_EQ(codes.bounds, bounds);
    EXPECT_EQ(codes.negative_zeros, 0);
    expect_bitwise(m, codes);
  }
}

TEST(FindCodes, UnequalShardsOfForeignModelsAreFoundOnBothAxes) {
  Rng rng(4);
  for (const ShardAxis axis : {ShardAxis::kRows, ShardAxis::kColumns}) {
    const std::vector<int64_t> bounds = {0, 3, 40, 41, 97, 101};
    const Matrix m = low_bit(101, 101, axis, bounds, true, rng);
    for (const ShardAxis told : {ShardAxis::kRows, ShardAxis::kColumns}) {
      const Codes codes = find_codes(m.w.data(), 101, 101, told, 2, false, "w");
      EXPECT_EQ(codes.axis, axis);
      EXPECT_EQ(codes.bounds, bounds);
      expect_bitwise(m, codes);
    }
  }
}

TEST(FindCodes, OneScaleFitsTheShardsThatTrainingUsed) {
  Rng rng(5);
  const Matrix m = low_bit(12, 30, ShardAxis::kRows, {0, 12}, false, rng);
  const Codes codes = find_codes(m.w.data(), 12, 30, ShardAxis::kColumns, 6, false, "w");
  EXPECT_EQ(codes.axis, ShardAxis::kColumns);
  EXPECT_EQ(codes.bounds, equal(30, 6));
  expect_bitwise(m, codes);
}

TEST(FindCodes, ZerosHaveNoScale) {
  Matrix m{4, 8, std::vector<float>(32, 0.0f)};
  const Codes nothing = find_codes(m.w.data(), 4, 8, ShardAxis::kRows, 2, false, "w");
  EXPECT_EQ(nothing.scales, (std::vector<float>{0.0f, 0.0f}));
  expect_bitwise(m, nothing);
  for (int64_t c = 0; c < 8; ++c) m.at(2, c) = 0.5f;
  const Codes half = find_codes(m.w.data(), 4, 8, ShardAxis::kRows, 2, false, "w");
  EXPECT_EQ(half.scales, (std::vector<float>{0.0f, 0.5f}));
  expect_bitwise(m, half);
}

TEST(FindCodes, NegativeZerosAreCountedAndBecomePositive) {
  Matrix m{1, 3, {0.25f, -0.0f, -0.25f}};
  const Codes codes = find_codes(m.w.data(), 1, 3, ShardAxis::kRows, 1, false, "w");
  EXPECT_EQ(codes.negative_zeros, 1);
  m.w[1] = 0.0f;
  expect_bitwise(m, codes);
}

std::string refusal(Matrix& m, bool binary = false) {
  try {
    find_codes(m.w.data(), m.rows, m.cols, ShardAxis::kRows, 2, binary, "model.layers.3.mlp.up_proj.weight");
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Exit::kBadInput);
    EXPECT_FALSE(error.hint().empty());
    return error.what();
  }
  return "accepted";
}

TEST(FindCodes, RefusesByNameAndSaysWhichWeight) {
  Rng rng(6);
  const Matrix good = low_bit(20, 33, ShardAxis::kRows, {0, 10, 20}, true, rng);
  Matrix m = good;
  m.at(7, 5) = std::nextafter(m.at(7, 5), 1e9f);  // one bit off
  EXPECT_NE(refusal(m).find("model.layers.3.mlp.up_proj.weight is not ternary: weight [7, 5] is "), std::string::npos)
      << refusal(m);
  m = good;
  m.at(19, 32) = NAN;
  EXPECT_NE(refusal(m).find("weight [19, 32] is nan"), std::string::npos) << refusal(m);
  m = good;
  m.at(3, 3) = 0.0f;
  EXPECT_EQ(refusal(m), "accepted");
  EXPECT_NE(refusal(m, true).find("is not binary: weight [3, 3] is 0"), std::string::npos) << refusal(m, true);
  Matrix floats{200, 40, {}};
  for (int i = 0; i < 200 * 40; ++i) floats.w.push_back(static_cast<float>(rng.normal_at(static_cast<uint64_t>(i))));
  EXPECT_NE(refusal(floats).find("weight [0, 1] is "), std::string::npos) << refusal(floats);
  Matrix steps{200, 40, {}};  // a scale for every row: more than 64
  for (int i = 0; i < 200 * 40; ++i) steps.w.push_back(static_cast<float>(1 + i / 40));
  EXPECT_NE(refusal(steps).find("its scale changes at more than 63 places"), std::string::npos) << refusal(steps);
}

}  // namespace
}  // namespace spectra::lowbit
