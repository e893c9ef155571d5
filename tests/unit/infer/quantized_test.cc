// SPDX-License-Identifier: Apache-2.0
// Models quantized in the formats of other tools, run as they are.
#include <gtest/gtest.h>

#include <fstream>

#include "base/error.h"
#include "base/parallel.h"
#include "model/quantized_writer.h"
#include "models.h"

namespace spectra::infer {
namespace {

using model::QuantizedFormat;
using test::all_logits;

/// Random codes and scales for every linear layer; `m` gets the weights they stand for, exactly.
std::map<std::string, lowbit::QuantizedMatrix> quantize(test::RandomModel& m, int bits, int64_t group_size) {
  std::map<std::string, lowbit::QuantizedMatrix> matrices;
  Rng rng(21);
  for (const model::Parameter& p : model::parameters(m.config)) {
    if (p.role != model::Role::kLinear) continue;
    lowbit::QuantizedMatrix& q = matrices[p.name];
    q.rows = p.rows, q.cols = p.cols, q.bits = bits, q.group_size = group_size == 0 ? p.cols : group_size;
    const auto numbers = uint64_t{1} << bits;
    for (int64_t i = 0; i < p.rows * q.groups(); ++i)
      q.scales.push_back(round_to_fp16(static_cast<float>((0.1 + 0.2 * rng.uniform()) / static_cast<double>(numbers))));
    for (int64_t i = 0; i < p.rows * p.cols; ++i) {
      q.codes.push_back(static_cast<int8_t>(static_cast<int>(rng.below(numbers)) - static_cast<int>(numbers / 2)));
      const float scale = q.scales[static_cast<size_t>(i / p.cols * q.groups() + i % p.cols / q.group_size)];
      m.values[p.name][static_cast<size_t>(i)] = scale * static_cast<float>(q.codes.back());  // exact in fp32: 11 + 7 bits
    }
  }
  return matrices;
}

/// "unpacked" in fp32, and "packed".
void write_both(const fs::path& directory, const model::Config& config, QuantizedFormat format, int bits, int64_t group_size) {
  test::RandomModel m = test::random_model(config, 0, 13);
  const auto matrices = quantize(m, bits, group_size);
  test::write_unpacked(m, directory / "unpacked", DType::kF32);
  model::QuantizationInfo info;
  info.bits = bits, info.group_size = group_size;
  model::write_quantized_model(directory / "unpacked", directory / "packed", format, info,
                               [&](const std::string& name) { return matrices.at(name); });
}

class Bits : public testing::TestWithParam<int> {};

// Groups of 6 columns divide 96 and 222, and are part of a group of any layout; 0: one scale a row.
TEST_P(Bits, LogitsAreThoseOfTheUnpackedWeights) {
  const model::Config config = test::small_config(model::Family::kFloat);
  const std::vector<int32_t> tokens = test::random_tokens(40, config.vocab, 1);
  for (const int64_t group_size : {0, 6}) {
    const test::TemporaryDirectory directory;
    write_both(directory.path(), config, QuantizedFormat::kCompressedTensors, GetParam(), group_size);
    Engine unpacked(load_model(directory / "unpacked"), {.activations = ActivationType::kFp32});
    const std::vector<float> expected = all_logits(unpacked, tokens, 40);
    const auto model = load_model(directory / "packed");
    EXPECT_EQ(model->format, "int" + std::to_string(GetParam()) + "-v1");
    Engine packed(model, {.activations = ActivationType::kFp32});
    const double error = test::relative_error(all_logits(packed, tokens, 40), expected);
    EXPECT_LT(error, 1e-5) << "groups of " << group_size;
    EXPECT_GT(error, 0);  // they do take different paths
    Engine int8(model, {.activations = ActivationType::kInt8});
    EXPECT_LT(test::relative_error(all_logits(int8, tokens, 40), expected), 0.05);
  }
}
INSTANTIATE_TEST_SUITE_P(Quantized, Bits, testing::Values(3, 4, 6, 8));

/// Dimensions that GPTQ's whole words hold at 4 and 8 bits.
model::Config whole_words() {
  model::Config config = test::small_config(model::Family::kFloat);
  config.glu = 224;
  return config;
}

TEST(QuantizedModel, FormatsThreadsAndInstructionSetsGiveTheSameBits) {
  const model::Config config = whole_words();
  const std::vector<int32_t> tokens = test::random_tokens(20, config.vocab, 3);
  for (const int bits : {4, 8}) {
    std::vector<std::vector<float>> all;
    for (const QuantizedFormat format : {QuantizedFormat::kCompressedTensors, QuantizedFormat::kGptq}) {
      const test::TemporaryDirectory directory;
      write_both(directory.path(), config, format, bits, 32);
      for (const int threads : {1, 3}) {
        const ScopedComputeThreads scope(threads);
        for (const kernels::Isa isa : kernels::available_isas()) {
          Engine engine(load_model(directory / "packed"),
                        {.activations = ActivationType::kInt8, .kernels = &kernels::kernels_for(isa)});
          all.push_back(all_logits(engine, tokens, 20));
        }
      }
    }
    for (const std::vector<float>& logits : all) EXPECT_EQ(logits, all.front());
  }
}

/// Loads "packed" after `change` to its config.json; what the error says.
std::string refusal(const std::function<void(const fs::path&)>& change) {
  const test::TemporaryDirectory directory;
  write_both(directory.path(), whole_words(), QuantizedFormat::kGptq, 4, 32);
  change(directory / "packed");
  try {
    load_model(directory / "packed");
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Exit::kBadInput);
    return std::string(error.what()) + " | " + error.hint();
  }
  return "accepted";
}
void replace(const fs::path& file, const std::string& what, const std::string& with) {
  std::string text = read_file(file);
  const size_t at = text.find(what);
  ASSERT_NE(at, std::string::npos);
  write_file(file, text.replace(at, what.size(), with));
}

TEST(QuantizedModel, WhatTheEngineDoesNotMultiplySaysToUnpack) {
  // Read as gptq_v2, zero points 8 stored less one are 7.
  const std::string zeros = refusal([](const fs::path& m) {
    replace(m / "config.json", "\"checkpoint_format\": \"gptq\"", "\"checkpoint_format\": \"gptq_v2\"");
  });
  EXPECT_NE(zeros.find("q_proj.weight has zero points"), std::string::npos) << zeros;
  EXPECT_NE(zeros.find("spectra unpack"), std::string::npos);
  EXPECT_NE(refusal([](const fs::path& m) { replace(m / "config.json", "\"bits\": 4", "\"bits\": 8"); }).find("qweight"),
            std::string::npos);
  EXPECT_NE(refusal([](const fs::path& m) { fs::resize_file(m / "model.safetensors", 20000); }).find("model.safetensors"),
            std::string::npos);
}

}  // namespace
}  // namespace spectra::infer
