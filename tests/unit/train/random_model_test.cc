// SPDX-License-Identifier: Apache-2.0
#include "train/random_model.h"

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>

#include "base/half.h"
#include "base/hash.h"
#include "format/model_directory.h"
#include "model/initial.h"
#include "model/packed_tensors.h"
#include "test_data.h"

namespace spectra::train {
namespace {

model::Config small(model::Family family, int64_t shards) {
  model::Config config;
  config.hidden = 96;
  config.glu = 144;
  config.heads = 6;
  config.kv_heads = 3;
  config.layers = 2;
  config.vocab = 384;
  config.shards = shards;
  config.family = family;
  return config;
}

/// Writes the model with its config.json and opens it.
format::ModelDirectory make(const fs::path& path, const model::Config& config, std::optional<lowbit::Format> packed) {
  fs::create_directory(path);
  const std::string sha = write_random_model(path / "model.safetensors", config, packed, 11);
  EXPECT_EQ(sha, sha256_file(path / "model.safetensors"));
  EXPECT_GT(fs::file_size(path / "model.safetensors"), random_model_bytes(config, packed));
  std::ofstream(path / "config.json") << model::config_to_json(config, "float16", packed ? lowbit::format_name(*packed) : "");
  return format::ModelDirectory(path);
}

std::vector<float> floats(const format::TensorView& view) {
  std::vector<float> values(static_cast<size_t>(view.elements()));
  format::read_floats(view, values.data());
  return values;
}

/// The shard that holds (row, col).
size_t shard_of(const model::Parameter& p, int64_t shards, int64_t row, int64_t col) {
  const bool by_rows = p.axis == model::ShardAxis::kRows;
  return static_cast<size_t>(by_rows ? row / (p.rows / shards) : col / (p.cols / shards));
}

TEST(RandomModel, UnpackedIsTheQuantizedInitialModel) {
  for (const model::Family family : {model::Family::kTernary, model::Family::kBinary}) {
    const test::TemporaryDirectory temporary;
    const model::Config config = small(family, 3);
    const format::ModelDirectory directory = make(temporary / "m", config, std::nullopt);
    for (const model::Parameter& p : model::parameters(config)) {
      const std::vector<float> seen = floats(directory.get(p.name));
      EXPECT_EQ(directory.get(p.name).shape, model::tensor_shape(p));
      std::vector<float> first(seen.size());
      model::initial_values(p, 11, 0, p.rows * p.cols, first.data());
      std::vector<double> magnitude(3, 0), sum(3, 0);
      for (int64_t r = 0; r < p.rows && p.role == model::Role::kLinear; ++r)
        for (int64_t c = 0; c < p.cols; ++c) {
          const double value = first[static_cast<size_t>(r * p.cols + c)];
          magnitude[shard_of(p, 3, r, c)] += std::fabs(value) / static_cast<double>(p.rows * p.cols / 3);
          sum[shard_of(p, 3, r, c)] += value / static_cast<double>(p.rows * p.cols / 3);
        }
      for (int64_t r = 0; r < p.rows; ++r)
        for (int64_t c = 0; c < p.cols; ++c) {
          const auto at = static_cast<size_t>(r * p.cols + c);
          float expected = round_to_fp16(first[at]);
          if (p.role == model::Role::kLinear) {
            const size_t s = shard_of(p, 3, r, c);
            const bool ternary = family == model::Family::kTernary;
            const float scale = round_to_fp16(static_cast<float>(ternary ? 1e-5 + magnitude[s] : magnitude[s]));
            const float code = ternary ? (std::fabs(first[at]) <= scale / 2 ? 0.0f : std::copysign(1.0f, first[at]))
                                       : (static_cast<double>(first[at]) >= sum[s] ? 1.0f : -1.0f);
            expected = code * scale;
          }
          ASSERT_EQ(seen[at], expected) << p.name << " " << r << " " << c;
        }
    }
  }
}

TEST(RandomModel, PackedHoldsTheSameWeights) {
  const std::pair<model::Family, lowbit::Format> cases[] = {{model::Family::kTernary, lowbit::Format::kTern2},
                                                            {model::Family::kTernary, lowbit::Format::kTern1_6},
                                                            {model::Family::kBinary, lowbit::Format::kBin1}};
  for (const auto& item : cases) {
    const test::TemporaryDirectory temporary;
    const model::Config config = small(item.first, 3);
    const format::ModelDirectory plain = make(temporary / "plain", config, std::nullopt);
    const format::ModelDirectory packed = make(temporary / "packed", config, item.second);
    const model::PackedConfig packing = model::packed_config_from_json(packed.config_json(), "config.json");
    EXPECT_EQ(packing.format, item.second);
    EXPECT_EQ(packed.tensors()[0]->name, "model.layers.0.self_attn.q_proj.weight_packed");
    for (const model::Parameter& p : model::parameters(config)) {
      const std::vector<float> expected = floats(plain.get(p.name));
      if (p.role != model::Role::kLinear) {
        EXPECT_EQ(floats(packed.get(p.name)), expected);
        continue;
      }
      const model::PackedMatrix matrix = model::packed_matrix(packed, packing, p);
      EXPECT_EQ(matrix.axis, p.axis);
      EXPECT_EQ(matrix.bounds, model::shard_bounds(p, 3));
      std::vector<int8_t> codes(static_cast<size_t>(p.cols));
      for (int64_t r = 0; r < p.rows; ++r) {
        const int64_t tile = r / lowbit::kTileRows;
        ASSERT_TRUE(lowbit::valid_tile(matrix.layout, tile, matrix.tile(tile)));
        lowbit::unpack_row(matrix.layout, r, matrix.tile(tile), codes.data());
        for (int64_t c = 0; c < p.cols; ++c)
          ASSERT_EQ(static_cast<float>(codes[static_cast<size_t>(c)]) * matrix.scales[shard_of(p, 3, r, c)],
                    expected[static_cast<size_t>(r * p.cols + c)]);
      }
    }
  }
}

TEST(RandomModel, FloatKeepsTheInitialWeights) {
  const test::TemporaryDirectory temporary;
  const model::Config config = small(model::Family::kFloat, 1);
  const format::ModelDirectory directory = make(temporary / "m", config, std::nullopt);
  const model::Parameter p = model::parameters(config)[4];
  std::vector<float> first(static_cast<size_t>(p.rows * p.cols));
  model::initial_values(p, 11, 0, p.rows * p.cols, first.data());
  for (float& value : first) value = round_to_fp16(value);
  EXPECT_EQ(floats(directory.get(p.name)), first);
}

}  // namespace
}  // namespace spectra::train
