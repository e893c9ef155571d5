// SPDX-License-Identifier: Apache-2.0
#include "model/packed_tensors.h"

#include <gtest/gtest.h>

#include <fstream>
#include <limits>

#include "base/error.h"
#include "test_data.h"

namespace spectra::model {
namespace {

const Parameter kMatrix = {"model.layers.0.mlp.up_proj.weight", Role::kLinear, ShardAxis::kRows, 6, 70, false, 0, Slot::kUp};

/// One packed matrix in 2 shards, with one thing changed.
struct Model {
  std::vector<int32_t> bounds = {0, 2, 6};
  std::vector<float> scales = {0.5f, 0.25f};
  std::vector<int64_t> shape = {1, 320};
  std::string axis = "rows", format = "tern2-v2";

  std::string complaint() const {
    const test::TemporaryDirectory temporary;
    std::vector<format::SafetensorsWriter::Entry> entries = {
        {kMatrix.name + "_packed", DType::kU8, shape},
        {kMatrix.name + "_scale", DType::kF32, {static_cast<int64_t>(scales.size())}},
        {kMatrix.name + "_shards", DType::kI32, {static_cast<int64_t>(bounds.size())}}};
    format::SafetensorsWriter writer(temporary / "model.safetensors", entries);
    const std::vector<uint8_t> codes(static_cast<size_t>(shape[0] * shape[1]), 0x55);
    writer.write(codes.data(), codes.size());
    writer.write(scales.data(), scales.size() * 4);
    writer.write(bounds.data(), bounds.size() * 4);
    writer.close();
    std::ofstream(temporary / "config.json") << R"({"quantization_config":{"quant_method":"spectra","format":")" << format
                                             << R"(","shard_axis":{"up_proj":")" << axis << R"("}}})";
    try {
      const format::ModelDirectory directory(temporary.path());
      const PackedConfig packed = packed_config_from_json(directory.config_json(), "config.json");
      const PackedMatrix matrix = packed_matrix(directory, packed, kMatrix);
      EXPECT_EQ(matrix.codes.size(), static_cast<size_t>(matrix.layout.bytes()));
      EXPECT_EQ(matrix.tile_bytes, shape[1]);
      EXPECT_EQ(matrix.scales, scales);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), Exit::kBadInput);
      return error.what();
    }
    return "";
  }
};

TEST(PackedTensors, ReadsAndChecks) {
  EXPECT_EQ(Model().complaint(), "");
  Model model;
  model.axis = "columns";
  model.bounds = {0, 35, 70};
  model.shape = {1, 384};  // each shard fills up its last group
  EXPECT_EQ(model.complaint(), "");
  model = Model();
  model.axis = "diagonal";
  EXPECT_NE(model.complaint().find("diagonal"), std::string::npos);
  const std::vector<std::vector<int32_t>> wrong = {{0, 2, 7}, {1, 2, 6}, {0, 6, 6}, {0, -2, 6}, {0, 6}, {0, 35, 70}};
  for (const auto& bounds : wrong) {
    model = Model();
    model.bounds = bounds;
    EXPECT_NE(model.complaint().find("weight_shards"), std::string::npos) << model.complaint();
  }
  model = Model();
  model.scales[1] = std::numeric_limits<float>::infinity();
  EXPECT_NE(model.complaint().find("not finite"), std::string::npos);
  model = Model();
  model.shape = {6, 32};
  EXPECT_NE(model.complaint().find("is U8 [6, 32], expected U8 [1, 320]"), std::string::npos) << model.complaint();
  model = Model();
  model.format = "tern9-v1";
  EXPECT_NE(model.complaint().find("tern9-v1"), std::string::npos);
}

TEST(PackedTensors, AxisByFullNameThenProjectionThenTraining) {
  const Parameter down = {"model.layers.0.mlp.down_proj.weight", Role::kLinear, ShardAxis::kColumns, 4, 4, true, 0, Slot::kDown};
  PackedConfig packed{lowbit::Format::kTern2, {}};
  EXPECT_EQ(packed.axis_of(down), ShardAxis::kColumns);
  packed.axes["down_proj"] = ShardAxis::kRows;
  EXPECT_EQ(packed.axis_of(down), ShardAxis::kRows);
  packed.axes[down.name] = ShardAxis::kColumns;
  EXPECT_EQ(packed.axis_of(down), ShardAxis::kColumns);
}

}  // namespace
}  // namespace spectra::model
