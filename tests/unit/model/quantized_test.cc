// SPDX-License-Identifier: Apache-2.0
#include "model/quantized_tensors.h"

#include <gtest/gtest.h>

#include <cstring>
#include <nlohmann/json.hpp>

#include "quantized_models.h"

namespace spectra::model {
namespace {

using format::ModelDirectory;
using format::TensorView;
using lowbit::QuantizedMatrix;

Parameter linear(int64_t rows, int64_t cols) {
  return {"model.layers.0.mlp.up_proj.weight", Role::kLinear, ShardAxis::kRows, rows, cols, false};
}

/// A directory of one matrix.
void write_one(const fs::path& path, const Parameter& p, QuantizedFormat format, const QuantizationInfo& info,
               const QuantizedMatrix& m) {
  fs::create_directory(path);
  write_outputs(path / "model.safetensors", quantized_outputs(p, format, info, [&](const std::string&) { return m; }));
  write_file(path / "config.json", "{\"quantization_config\":" + quantization_config_json(format, info) + "}");
}

template <class T>
std::vector<T> stored(const ModelDirectory& directory, const std::string& name, const std::vector<int64_t>& shape) {
  const TensorView& view = directory.get(name);
  EXPECT_EQ(view.shape, shape) << name;
  EXPECT_EQ(reinterpret_cast<uintptr_t>(view.data.data()) % dtype_size(view.dtype), 0u) << name;
  std::vector<T> values(view.data.size() / sizeof(T));
  std::memcpy(values.data(), view.data.data(), view.data.size());
  return values;
}

// 2 x 10, 4 bits, groups of 5. Row 0 has codes -8 ... 1, stored as u = 0 ... 9, the first in the lowest four bits; row 1 codes
// 7 ... -2, u = 15 ... 6. Eight in a word, so a row is two words. fp16: 0.5 = 3800, 1 = 3c00, 2 = 4000, 0.25 = 3400.
TEST(CompressedTensors, BytesAreTheOnesOfTheSpecification) {
  const test::TemporaryDirectory directory;
  QuantizedMatrix m{2, 10, 4, 5, {}, {0.5f, 1.0f, 2.0f, 0.25f}};
  for (int c = 0; c < 10; ++c) m.codes.push_back(static_cast<int8_t>(c - 8));
  for (int c = 0; c < 10; ++c) m.codes.push_back(static_cast<int8_t>(7 - c));
  QuantizationInfo info;
  info.group_size = 5;
  write_one(directory / "m", linear(2, 10), QuantizedFormat::kCompressedTensors, info, m);
  const ModelDirectory written(directory / "m");
  const std::string name = linear(2, 10).name;
  EXPECT_EQ(stored<uint32_t>(written, name + "_packed", {2, 2}), (std::vector<uint32_t>{0x76543210, 0x98, 0x89abcdef, 0x67}));
  EXPECT_EQ(stored<uint16_t>(written, name + "_scale", {2, 2}), (std::vector<uint16_t>{0x3800, 0x3c00, 0x4000, 0x3400}));
  EXPECT_EQ(stored<int64_t>(written, name + "_shape", {2}), (std::vector<int64_t>{2, 10}));
  EXPECT_EQ(written.get(name + "_packed").dtype, DType::kI32);
}

// 8 x 16, 4 bits, groups of 8, u[r][c] = (r + c) mod 16. A word is a column of qweight: of input rows 0 ... 7, then 8 ... 15.
// Zero points are 8, stored less one.
TEST(Gptq, BytesAreTheOnesOfTheSpecification) {
  const test::TemporaryDirectory directory;
  QuantizedMatrix m{8, 16, 4, 8, {}, {}};
  for (int r = 0; r < 8; ++r) {
    for (int c = 0; c < 16; ++c) m.codes.push_back(static_cast<int8_t>((r + c) % 16 - 8));
    m.scales.push_back(1.0f);
    m.scales.push_back(r == 0 ? 0.25f : 0.5f);
  }
  QuantizationInfo info;
  info.group_size = 8;
  write_one(directory / "m", linear(8, 16), QuantizedFormat::kGptq, info, m);
  const ModelDirectory written(directory / "m");
  const std::string layer = "model.layers.0.mlp.up_proj.";
  EXPECT_EQ(
      stored<uint32_t>(written, layer + "qweight", {2, 8}),
      (std::vector<uint32_t>{0x76543210, 0x87654321, 0x98765432, 0xa9876543, 0xba987654, 0xcba98765, 0xdcba9876, 0xedcba987,
                             0xfedcba98, 0x0fedcba9, 0x10fedcba, 0x210fedcb, 0x3210fedc, 0x43210fed, 0x543210fe, 0x6543210f}));
  EXPECT_EQ(stored<uint32_t>(written, layer + "qzeros", {2, 1}), (std::vector<uint32_t>{0x77777777, 0x77777777}));
  EXPECT_EQ(stored<uint16_t>(written, layer + "scales", {2, 8}),
            (std::vector<uint16_t>{0x3c00, 0x3c00, 0x3c00, 0x3c00, 0x3c00, 0x3c00, 0x3c00, 0x3c00,  //
                                   0x3400, 0x3800, 0x3800, 0x3800, 0x3800, 0x3800, 0x3800, 0x3800}));
  EXPECT_EQ(stored<int32_t>(written, layer + "g_idx", {16}),
            (std::vector<int32_t>{0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1}));
}

// 32 x 32, 3 bits, u[r][c] = c mod 8: each column of qweight is the three words of words_test.cc. Zero points 4 are stored as 3.
TEST(Gptq, ThreeBitsAreAStreamDownTheColumns) {
  const test::TemporaryDirectory directory;
  QuantizedMatrix m{32, 32, 3, 32, {}, std::vector<float>(32, 0.5f)};
  for (int i = 0; i < 32 * 32; ++i) m.codes.push_back(static_cast<int8_t>(i % 8 - 4));
  QuantizationInfo info;
  info.bits = 3;
  write_one(directory / "m", linear(32, 32), QuantizedFormat::kGptq, info, m);
  const ModelDirectory written(directory / "m");
  const std::vector<uint32_t> words = stored<uint32_t>(written, "model.layers.0.mlp.up_proj.qweight", {3, 32});
  const uint32_t expected[3] = {01076543210u | 2u << 30, 04321076543u << 1 | 1u << 31,
                                static_cast<uint32_t>(07654321076ull << 2) | 2u};
  for (size_t i = 0; i < words.size(); ++i) EXPECT_EQ(words[i], expected[i / 32]) << i;
  EXPECT_EQ(stored<uint32_t>(written, "model.layers.0.mlp.up_proj.qzeros", {1, 3}),
            (std::vector<uint32_t>{0xdb6db6db, 0xb6db6db6, 0x6db6db6d}));
}

TEST(StoredQuantized, ComesBackBitwise) {
  uint64_t seed = 0;
  for (const QuantizedFormat format : {QuantizedFormat::kCompressedTensors, QuantizedFormat::kGptq})
    for (const int bits : {3, 4, 6, 8})
      for (const int64_t group_size : {0, 32, 7}) {
        if (format == QuantizedFormat::kGptq && bits == 6) continue;
        const bool ragged = format == QuantizedFormat::kCompressedTensors;  // GPTQ has whole words only
        const int64_t rows = ragged ? 37 : 64, cols = group_size == 7    ? (ragged ? 91 : 224)
                                                      : group_size == 32 ? 96
                                                      : ragged           ? 71
                                                                         : 160;
        const test::TemporaryDirectory directory;
        const QuantizedMatrix m = test::random_quantized(rows, cols, bits, group_size, ++seed);
        QuantizationInfo info;
        info.bits = bits, info.group_size = group_size;
        write_one(directory / "m", linear(rows, cols), format, info, m);
        const ModelDirectory written(directory / "m");
        const auto config = quantized_config_from_json(written.config_json(), "m");
        ASSERT_TRUE(config.has_value());
        EXPECT_EQ(config->format, format);
        const StoredQuantized back = stored_quantized(written, *config, linear(rows, cols));
        EXPECT_EQ(back.why_not_direct(), "");
        test::expect_same(quantized_matrix(back), m);
        uint64_t bytes = 0;
        for (const TensorView* view : written.tensors()) bytes += view->data.size();
        EXPECT_EQ(back.bytes, bytes);
        std::vector<uint8_t> u(static_cast<size_t>(cols));
        std::vector<float> w(u.size());
        for (int64_t r = 0; r < rows; ++r) {
          back.read(r, 1, u.data());
          back.expand(r, u.data(), w.data());
          for (int64_t c = 0; c < cols; ++c)
            ASSERT_EQ(w[static_cast<size_t>(c)], m.scales[static_cast<size_t>(r * m.groups() + c / m.group_size)] *
                                                     static_cast<float>(m.codes[static_cast<size_t>(r * cols + c)]));
        }
      }
}

/// One tensor of a file made by hand.
struct Tensor {
  std::string name;
  DType dtype;
  std::vector<int64_t> shape;
  std::vector<int32_t> words;  ///< the data
};
void write_tensors(const fs::path& path, const std::vector<Tensor>& tensors, const std::string& quantization) {
  fs::create_directory(path);
  std::vector<format::SafetensorsWriter::Entry> entries;
  for (const Tensor& t : tensors) entries.push_back({t.name, t.dtype, t.shape});
  format::SafetensorsWriter writer(path / "model.safetensors", entries);
  for (const Tensor& t : tensors) writer.write(t.words.data(), t.words.size() * 4);
  writer.close();
  write_file(path / "config.json", "{\"quantization_config\":" + quantization + "}");
}

/// A directory of the tensors given, read as a matrix.
StoredQuantized read_back(const std::vector<Tensor>& tensors, const std::string& quantization, const Parameter& parameter) {
  const test::TemporaryDirectory directory;
  write_tensors(directory / "m", tensors, quantization);
  const ModelDirectory written(directory / "m");
  StoredQuantized m = stored_quantized(written, *quantized_config_from_json(written.config_json(), "config.json"), parameter);
  std::vector<uint8_t> u(static_cast<size_t>(m.rows * m.cols));
  m.read(0, m.rows, u.data());  // all that a reader touches, while the file is there
  return m;
}
std::vector<float> weights_of(const std::vector<Tensor>& tensors, const std::string& quantization, const Parameter& parameter) {
  const test::TemporaryDirectory directory;
  write_tensors(directory / "m", tensors, quantization);
  const ModelDirectory written(directory / "m");
  const StoredQuantized m = stored_quantized(written, *quantized_config_from_json(written.config_json(), "config.json"), parameter);
  std::vector<uint8_t> u(static_cast<size_t>(m.cols));
  std::vector<float> w(static_cast<size_t>(m.rows * m.cols));
  for (int64_t r = 0; r < m.rows; ++r) m.read(r, 1, u.data()), m.expand(r, u.data(), w.data() + r * m.cols);
  return w;
}

const std::string kLayer = "model.layers.0.mlp.up_proj.";
const char* const kGptqConfig = R"({"quant_method":"gptq","bits":4,"group_size":4,"sym":false,"desc_act":true})";

/// 8 x 8, 4 bits, two groups: all u are 9, zero points 1 ... 8 and 9 ... 16 (stored less one), columns alternate between the
/// groups.
std::vector<Tensor> asymmetric_gptq() {
  std::vector<int32_t> ones(8, 0x3f800000), scales = ones;
  scales.insert(scales.end(), 8, 0x40000000);  // 2.0f
  return {{kLayer + "qweight", DType::kI32, {1, 8}, std::vector<int32_t>(8, static_cast<int32_t>(0x99999999))},
          {kLayer + "qzeros", DType::kI32, {2, 1}, {0x76543210, static_cast<int32_t>(0xfedcba98)}},
          {kLayer + "g_idx", DType::kI32, {8}, {0, 1, 0, 1, 0, 1, 0, 1}},
          {kLayer + "scales", DType::kF32, {2, 8}, scales}};
}

TEST(StoredQuantized, ZeroPointsAndOrderAreExpandedButNotRun) {
  const Parameter p = linear(8, 8);
  const StoredQuantized m = read_back(asymmetric_gptq(), kGptqConfig, p);
  EXPECT_NE(m.why_not_direct().find("zero points"), std::string::npos);
  EXPECT_NE(test::refusal([&] { require_direct(m, "up_proj"); }).find("spectra unpack"), std::string::npos);
  const std::vector<float> w = weights_of(asymmetric_gptq(), kGptqConfig, p);
  for (int r = 0; r < 8; ++r)
    for (int c = 0; c < 8; ++c) EXPECT_EQ(w[static_cast<size_t>(8 * r + c)], c % 2 == 0 ? 9 - (r + 1) : 2 * (9 - (r + 9)));
  std::vector<Tensor> second = asymmetric_gptq();  // gptq_v2 stores zero points as they are
  const std::string v2 =
      R"({"quant_method":"gptq","checkpoint_format":"gptq_v2","bits":4,"group_size":4,"sym":false,"desc_act":true})";
  EXPECT_EQ(weights_of(second, v2, p).front(), 9);
  second[1].words = {static_cast<int32_t>(0x88888888), static_cast<int32_t>(0x88888888)};
  EXPECT_NE(read_back(second, v2, p).why_not_direct().find("not neighbours"), std::string::npos);
}

TEST(StoredQuantized, CompressedTensorsZeroPointsLieAlongTheRows) {
  // 9 x 2, 4 bits, per channel: nine zero points in two words of one column; all u are 3.
  const std::string config =
      R"({"quant_method":"compressed-tensors","format":"pack-quantized","config_groups":{"group_0":{"weights":{"num_bits":4,"symmetric":false,"strategy":"channel"}}}})";
  const std::string name = kLayer + "weight";
  const std::vector<Tensor> tensors = {{name + "_shape", DType::kI64, {2}, {9, 0, 2, 0}},
                                       {name + "_packed", DType::kI32, {9, 1}, std::vector<int32_t>(9, 0x33)},
                                       {name + "_zero_point", DType::kI32, {2, 1}, {0x76543210, 0xf}},
                                       {name + "_scale", DType::kF32, {9, 1}, std::vector<int32_t>(9, 0x3f800000)}};
  const std::vector<float> w = weights_of(tensors, config, linear(9, 2));
  for (int r = 0; r < 9; ++r) EXPECT_EQ(w[static_cast<size_t>(2 * r + 1)], 3 - (r == 8 ? 15 : r));
}

TEST(StoredQuantized, DamageIsNamed) {
  const Parameter p = linear(8, 8);
  const auto says = [&](const std::function<void(std::vector<Tensor>&)>& change) {
    std::vector<Tensor> tensors = asymmetric_gptq();
    change(tensors);
    return test::refusal([&] { read_back(tensors, kGptqConfig, p); });
  };
  EXPECT_NE(says([](auto& t) { t[2].words[3] = 2; }).find("column 3 is in group 2"), std::string::npos);
  EXPECT_NE(says([](auto& t) { t[2].words[0] = -1; }).find("group -1"), std::string::npos);
  EXPECT_NE(says([](auto& t) { t[3].words[5] = 0x7fc00000; }).find("not finite"), std::string::npos);
  EXPECT_NE(says([](auto& t) { t[3].shape = {8, 2}; }).find("expected F16, BF16 or F32 [2, 8]"), std::string::npos);
  EXPECT_NE(says([](auto& t) { t[0].shape = {8, 1}; }).find("expected I32 [1, 8]"), std::string::npos);
  EXPECT_NE(says([](auto& t) { t[1].dtype = DType::kF32; }).find("qzeros"), std::string::npos);
  for (size_t i = 0; i < 4; ++i) {
    const std::string name = asymmetric_gptq()[i].name;
    EXPECT_NE(says([i](auto& t) { t.erase(t.begin() + static_cast<ptrdiff_t>(i)); }).find(name), std::string::npos) << name;
  }
  EXPECT_NE(says([](auto& t) { t.push_back({kLayer + "bias", DType::kF32, {1}, {1}}); }).find("bias"), std::string::npos);
  EXPECT_EQ(says([](auto& t) { t.push_back({kLayer + "bias", DType::kF32, {1}, {0}}); }), "accepted");
  EXPECT_NE(test::refusal([&] { read_back(asymmetric_gptq(), kGptqConfig, linear(8, 12)); }).find("words"), std::string::npos);
}

TEST(QuantizedConfig, OtherMethodsAndMixturesAreRefusedByName) {
  const auto says = [](const std::string& quantization) {
    return test::refusal([&] { quantized_config_from_json("{\"quantization_config\":" + quantization + "}", "config.json"); });
  };
  EXPECT_NE(says(R"({"quant_method":"awq","bits":4})").find("\"awq\""), std::string::npos);
  EXPECT_NE(says(R"({"quant_method":"gptq","bits":5,"group_size":128})").find("bits is 5"), std::string::npos);
  EXPECT_NE(says(R"({"quant_method":"gptq","bits":4})").find("group_size"), std::string::npos);
  EXPECT_NE(says(R"({"quant_method":"gptq","bits":4,"group_size":0})").find("group_size"), std::string::npos);
  EXPECT_NE(says(R"({"quant_method":"gptq","bits":4,"group_size":128,"checkpoint_format":"marlin"})").find("marlin"),
            std::string::npos);
  EXPECT_NE(says(R"({"quant_method":"gptq","bits":4,"group_size":128,"dynamic":{"+:q":{}}})").find("dynamic"), std::string::npos);
  EXPECT_NE(says(R"({"quant_method":"compressed-tensors","format":"int-quantized"})").find("int-quantized"), std::string::npos);
  EXPECT_NE(says(R"({"quant_method":"compressed-tensors","format":"pack-quantized","config_groups":{}})").find("config_groups"),
            std::string::npos);
  EXPECT_NE(
      says(R"({"quant_method":"compressed-tensors","format":"pack-quantized","config_groups":{"a":{"weights":{"num_bits":16}}}})")
          .find("num_bits"),
      std::string::npos);
  EXPECT_NE(
      says(
          R"({"quant_method":"compressed-tensors","format":"pack-quantized","config_groups":{"a":{"weights":{"num_bits":4},"input_activations":{"num_bits":8}}}})")
          .find("input_activations"),
      std::string::npos);
  EXPECT_NE(says("3").find("no object"), std::string::npos);
  EXPECT_EQ(says(R"({"quant_method":"gptq","bits":4,"group_size":-1,"dynamic":{}})"), "accepted");
}

}  // namespace
}  // namespace spectra::model
