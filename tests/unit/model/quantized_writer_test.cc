// SPDX-License-Identifier: Apache-2.0
#include "model/quantized_writer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>

#include "model/quantized_tensors.h"
#include "quantized_models.h"

namespace spectra::model {
namespace {

using format::ModelDirectory;
using format::TensorView;

QuantizationInfo info_of(int bits, int64_t group_size) {
  QuantizationInfo info;
  info.bits = bits, info.group_size = group_size, info.damp = 0.01, info.method = "gptq";
  info.details_json = R"({"calibration":{"sequences":128}})";
  return info;
}

TEST(WriteQuantizedModel, KeepsEverythingElseAndSaysWhatItIs) {
  const test::TemporaryDirectory directory;
  const Config config = test::quantized_config_of(96);
  test::write_float_model(directory / "m", config);
  const test::Matrices matrices = test::random_matrices(config, 4, 32);
  std::vector<std::string> order;
  write_quantized_model(directory / "m", directory / "q", QuantizedFormat::kCompressedTensors, info_of(4, 32),
                        [&](const std::string& name) {
                          order.push_back(name);
                          return matrices.at(name);
                        });
  std::vector<std::string> linear;
  for (const Parameter& p : parameters(config))
    if (p.role == Role::kLinear) linear.push_back(p.name);
  EXPECT_EQ(order, linear);

  const ModelDirectory source(directory / "m"), written(directory / "q");
  EXPECT_TRUE(written.verify_checksums());
  EXPECT_TRUE(fs::exists(directory / "q" / "tokenizer.json"));
  for (const TensorView* view : written.tensors())
    EXPECT_EQ(reinterpret_cast<uintptr_t>(view->data.data()) % dtype_size(view->dtype), 0u) << view->name;
  for (const TensorView* view : source.tensors()) {
    if (matrices.count(view->name) != 0) {
      EXPECT_EQ(written.find(view->name), nullptr);
      continue;
    }
    const TensorView& copy = written.get(view->name);
    EXPECT_EQ(copy.dtype, view->dtype);
    EXPECT_TRUE(std::equal(copy.data.begin(), copy.data.end(), view->data.begin(), view->data.end())) << view->name;
  }
  const auto quantization = quantized_config_from_json(written.config_json(), "q");
  for (const Parameter& p : parameters(config))
    if (p.role == Role::kLinear)
      test::expect_same(quantized_matrix(stored_quantized(written, *quantization, p)), matrices.at(p.name));
  EXPECT_EQ(config_from_json(written.config_json(), "q").glu, 96);
  const auto weights = nlohmann::json::parse(written.config_json())["quantization_config"]["config_groups"]["group_0"]["weights"];
  EXPECT_EQ(weights["num_bits"], 4);
  EXPECT_EQ(weights["strategy"], "group");
  EXPECT_EQ(weights["group_size"], 32);
  const auto provenance = nlohmann::json::parse(written.provenance_json());
  EXPECT_EQ(provenance["parent"], "m");
  EXPECT_EQ(provenance["step"], 7);
  EXPECT_EQ(provenance["quantization"]["method"], "gptq");
  EXPECT_EQ(provenance["quantization"]["calibration"]["sequences"], 128);
  const QuantizationInfo known = quantization_info(*quantization, written.provenance_json());
  EXPECT_EQ(known.method, "gptq");
  EXPECT_EQ(known.damp, 0.01);
  EXPECT_EQ(nlohmann::json::parse(quantization_provenance_json(QuantizedFormat::kCompressedTensors, known)),
            provenance["quantization"]);
}

TEST(WriteQuantizedModel, GoesFromFormatToFormatBitwise) {
  for (const int bits : {3, 4, 8}) {
    const test::TemporaryDirectory directory;
    const Config config = test::quantized_config_of(96);
    test::write_float_model(directory / "m", config);
    const test::Matrices matrices = test::random_matrices(config, bits, 32);
    write_quantized_model(directory / "m", directory / "a", QuantizedFormat::kCompressedTensors, info_of(bits, 32),
                          test::source_of(matrices));
    const auto again = [&](const char* from, const char* to, QuantizedFormat format) {
      const ModelDirectory stored(directory / from);
      const auto quantization = quantized_config_from_json(stored.config_json(), from);
      write_quantized_model(directory / from, directory / to, format, info_of(bits, 32), [&](const std::string& name) {
        for (const Parameter& p : parameters(config))
          if (p.name == name) return quantized_matrix(stored_quantized(stored, *quantization, p));
        return lowbit::QuantizedMatrix{};
      });
    };
    again("a", "b", QuantizedFormat::kGptq);
    again("b", "c", QuantizedFormat::kCompressedTensors);
    const ModelDirectory b(directory / "b");
    EXPECT_NE(b.find("model.layers.1.mlp.down_proj.qweight"), nullptr);
    EXPECT_EQ(b.find("model.layers.1.mlp.down_proj.weight_packed"), nullptr);
    EXPECT_EQ(nlohmann::json::parse(read_file(directory / "b" / "quantize_config.json")),
              nlohmann::json::parse(b.config_json())["quantization_config"]);
    EXPECT_EQ(read_file(directory / "a" / "model.safetensors"), read_file(directory / "c" / "model.safetensors"));
    EXPECT_EQ(read_file(directory / "a" / "config.json"), read_file(directory / "c" / "config.json"));
  }
}

TEST(WriteQuantizedModel, UnpackedIsTheRoundedProduct) {
  const test::TemporaryDirectory directory;
  const Config config = test::quantized_config_of(90);
  test::write_float_model(directory / "m", config);
  const test::Matrices matrices = test::random_matrices(config, 6, 0);
  write_quantized_model(directory / "m", directory / "q", QuantizedFormat::kUnpacked, info_of(6, 0), test::source_of(matrices));
  const ModelDirectory written(directory / "q");
  EXPECT_FALSE(quantized_config_from_json(written.config_json(), "q").has_value());
  for (const auto& [name, m] : matrices) {
    const TensorView& view = written.get(name);
    ASSERT_EQ(view.dtype, DType::kF16);
    std::vector<float> w(m.codes.size());
    format::read_floats(view, w.data());
    for (size_t i = 0; i < w.size(); ++i)
      ASSERT_EQ(w[i], round_to_fp16(m.scales[i / static_cast<size_t>(m.cols)] * static_cast<float>(m.codes[i])));
  }
  EXPECT_EQ(nlohmann::json::parse(written.provenance_json())["quantization"]["bits"], 6);
}

TEST(WriteQuantizedModel, AFormatThatCannotHoldItSaysWhichCan) {
  const test::TemporaryDirectory directory;
  const Config ragged = test::quantized_config_of(90);
  test::write_float_model(directory / "m", ragged);
  const auto says = [&](QuantizedFormat format, int bits, int64_t group_size) {
    const test::Matrices none;
    return test::refusal(
        [&] { write_quantized_model(directory / "m", directory / "q", format, info_of(bits, group_size), test::source_of(none)); },
        Exit::kUsage);
  };
  EXPECT_NE(says(QuantizedFormat::kGptq, 6, 0).find("compressed-tensors"), std::string::npos);
  EXPECT_NE(says(QuantizedFormat::kGptq, 4, 0).find("choose compressed-tensors or unpacked"), std::string::npos);
  EXPECT_NE(says(QuantizedFormat::kCompressedTensors, 4, 64).find("no whole groups of 64"), std::string::npos);
  EXPECT_FALSE(fs::exists(directory / "q"));
}

}  // namespace
}  // namespace spectra::model
