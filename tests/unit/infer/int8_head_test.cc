// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "base/error.h"
#include "base/parallel.h"
#include "models.h"

namespace spectra::infer {
namespace {

using lowbit::Format;
using model::Family;
using test::all_logits;

constexpr LoadOptions kInt8Head = {.int8_head = true};

/// 90 columns and 150 rows: neither whole groups of 4 nor whole tiles.
model::Config uneven_config(bool tied) {
  model::Config c = test::small_config(Family::kTernary);
  c.hidden = 90;
  c.heads = c.kv_heads = 5;
  c.tied = tied;
  return c;
}

class Int8Head : public testing::TestWithParam<bool> {
 protected:
  void SetUp() override {
    const test::RandomModel m = test::random_model(uneven_config(GetParam()), 2, 5);
    test::write_packed(m, directory_ / "packed", Format::kTern2);
    test::write_unpacked(m, directory_ / "fp32", DType::kF32);
    tokens_ = test::random_tokens(40, m.config.vocab, 6);
  }
  test::TemporaryDirectory directory_;
  std::vector<int32_t> tokens_;
};

TEST_P(Int8Head, HoldsEachRowRoundedToItsLargestWeight) {
  const auto stored = load_model(directory_ / "packed"), rounded = load_model(directory_ / "packed", kInt8Head);
  EXPECT_STREQ(head_name(*stored), "fp16");
  EXPECT_STREQ(head_name(*rounded), "int8");
  const PackedLinear& head = std::get<PackedLinear>(rounded->head.weight);
  std::vector<float> row(90);
  std::vector<int8_t> codes(90);
  for (int64_t r = 0; r < 150; ++r) {
    read_row(stored->head, r, row.data());
    float largest = 0;
    for (const float w : row) largest = std::max(largest, std::abs(w));
    const float scale = head.scales[static_cast<size_t>(r)];
    ASSERT_EQ(scale, largest / 127.0f);
    const uint8_t* tile = head.matrix.tile(r / lowbit::kTileRows);
    ASSERT_TRUE(lowbit::valid_tile(head.matrix.layout, r / lowbit::kTileRows, tile));  // filled up with code 0
    lowbit::unpack_row(head.matrix.layout, r, tile, codes.data());
    for (size_t c = 0; c < row.size(); ++c) ASSERT_EQ(codes[c], std::nearbyint(row[c] / scale)) << r << " " << c;
  }
}

TEST_P(Int8Head, GivesLogitsCloseToTheStoredHead) {
  for (const char* name : {"packed", "fp32"})
    for (const ActivationType activations : {ActivationType::kFp32, ActivationType::kBf16, ActivationType::kInt8}) {
      const auto stored = load_model(directory_ / name), rounded = load_model(directory_ / name, kInt8Head);
      if (activations == ActivationType::kInt8 && !stored->packed()) continue;
      Engine exact(stored, {.activations = activations}), int8(rounded, {.activations = activations});
      const double error = test::relative_error(all_logits(int8, tokens_, 40), all_logits(exact, tokens_, 40));
      EXPECT_LT(error, 0.02) << name;  // about 1/127 of the largest, in both factors
      EXPECT_GT(error, 1e-4) << name;
    }
}

TEST_P(Int8Head, GivesTheSameBitsInAnyBatchOnAnyThreadsAndInstructionSet) {
  const auto model = load_model(directory_ / "packed", kInt8Head);
  Engine engine(model, {.activations = ActivationType::kInt8});
  const std::vector<float> expected = all_logits(engine, tokens_, 40);
  for (const int threads : {1, 2, 5}) {
    set_compute_threads(threads);
    Engine again(load_model(directory_ / "packed", kInt8Head), {.activations = ActivationType::kInt8});
    for (const size_t chunk : {1, 7, 40}) EXPECT_EQ(all_logits(again, tokens_, chunk), expected) << threads << " " << chunk;
  }
  set_compute_threads(0);
  for (const kernels::Isa isa : kernels::available_isas()) {
    Engine other(model, {ActivationType::kInt8, &kernels::kernels_for(isa)});
    EXPECT_EQ(all_logits(other, tokens_, 40), expected) << kernels::isa_name(isa);
  }
}
INSTANTIATE_TEST_SUITE_P(Tied, Int8Head, testing::Bool());

TEST(Int8HeadErrors, AWeightThatIsNotFiniteIsNamed) {
  test::RandomModel m = test::random_model(uneven_config(false), 2, 5);
  m.values["lm_head.weight"][90 * 7 + 3] = std::numeric_limits<float>::infinity();
  const test::TemporaryDirectory directory;
  test::write_unpacked(m, directory / "model", DType::kF32);
  try {
    load_model(directory / "model", kInt8Head);
    FAIL() << "accepted";
  } catch (const Error& e) {
    EXPECT_NE(std::string(e.what()).find("lm_head: row 7"), std::string::npos) << e.what();
  }
}

}  // namespace
}  // namespace spectra::infer
