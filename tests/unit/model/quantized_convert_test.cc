// SPDX-License-Identifier: Apache-2.0
// Quantized directories through unpack, convert and pack.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "model/convert.h"
#include "model/pack.h"
#include "model/quantized_tensors.h"
#include "quantized_models.h"

namespace spectra::model {
namespace {

using format::ModelDirectory;

class QuantizedDirectory : public testing::TestWithParam<QuantizedFormat> {
 protected:
  void SetUp() override {
    test::write_float_model(directory_ / "m", config_);
    info_.group_size = 32;
    info_.method = "gptq";
    write_quantized_model(directory_ / "m", directory_ / "q", GetParam(), info_, test::source_of(matrices_));
  }
  static float weight(const lowbit::QuantizedMatrix& m, size_t i) {
    const size_t cols = static_cast<size_t>(m.cols), row = i / cols, group = i % cols / static_cast<size_t>(m.group_size);
    return m.scales[row * static_cast<size_t>(m.groups()) + group] * static_cast<float>(m.codes[i]);
  }
  void expect_weights(const fs::path& path, DType dtype) const {
    const ModelDirectory written(path);
    EXPECT_TRUE(written.verify_checksums());
    EXPECT_EQ(written.tensors().size(), ModelDirectory(directory_ / "m").tensors().size());
    EXPECT_EQ(written.get("lm_head.weight").dtype, DType::kF16);
    for (const auto& [name, m] : matrices_) {
      ASSERT_EQ(written.get(name).dtype, dtype);
      std::vector<float> w(m.codes.size());
      format::read_floats(written.get(name), w.data());
      for (size_t i = 0; i < w.size(); ++i) ASSERT_EQ(w[i], dtype == DType::kF16 ? round_to_fp16(weight(m, i)) : weight(m, i));
    }
    const auto config = nlohmann::json::parse(written.config_json());
    EXPECT_FALSE(config.contains("quantization_config"));
    EXPECT_EQ(config["torch_dtype"], dtype == DType::kF16 ? "float16" : "float32");
    EXPECT_EQ(nlohmann::json::parse(written.provenance_json())["quantization"]["method"], "gptq");
  }

  const Config config_ = test::quantized_config_of(96);
  const test::Matrices matrices_ = test::random_matrices(config_, 4, 32);
  QuantizationInfo info_;
  test::TemporaryDirectory directory_;
};

TEST_P(QuantizedDirectory, UnpackRoundsToFp16) {
  const UnpackReport report = unpack_model(directory_ / "q", directory_ / "u");
  EXPECT_EQ(report.matrices, 14);
  EXPECT_EQ(report.dtype, "F16");
  EXPECT_TRUE(report.checksums_verified);
  EXPECT_GT(report.bytes_after, report.bytes_before);
  expect_weights(directory_ / "u", DType::kF16);
}

TEST_P(QuantizedDirectory, ConvertKeepsEveryBitAsFp32) {
  convert_hf(directory_ / "q", directory_ / "u", std::nullopt);
  expect_weights(directory_ / "u", DType::kF32);
}

TEST_P(QuantizedDirectory, BecomesTheOtherFormat) {
  const QuantizedFormat other = GetParam() == QuantizedFormat::kGptq ? QuantizedFormat::kCompressedTensors : QuantizedFormat::kGptq;
  const ConvertReport report = convert_quantized(directory_ / "q", directory_ / "o", other);
  EXPECT_EQ(report.types.at("F16"), 7 + 14);  // embedding, five norms, head; scales
  const ModelDirectory written(directory_ / "o");
  const auto config = quantized_config_from_json(written.config_json(), "o");
  EXPECT_EQ(config->format, other);
  for (const Parameter& p : parameters(config_))
    if (p.role == Role::kLinear) test::expect_same(quantized_matrix(stored_quantized(written, *config, p)), matrices_.at(p.name));
}

TEST_P(QuantizedDirectory, IsNotPackedAgain) {
  const std::string says = test::refusal([&] { pack_model(directory_ / "q", directory_ / "p", lowbit::Format::kTern2); });
  EXPECT_NE(says.find("quantized to 4 bits"), std::string::npos) << says;
  EXPECT_NE(test::refusal([&] { convert_quantized(directory_ / "m", directory_ / "p", GetParam()); }).find("not a quantized model"),
            std::string::npos);
}

INSTANTIATE_TEST_SUITE_P(Formats, QuantizedDirectory, testing::Values(QuantizedFormat::kCompressedTensors, QuantizedFormat::kGptq));

}  // namespace
}  // namespace spectra::model
