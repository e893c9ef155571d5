// SPDX-License-Identifier: Apache-2.0
#include "model/pack.h"

#include <gtest/gtest.h>

#include <cstring>
#include <fstream>
#include <functional>
#include <iterator>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/half.h"
#include "base/rng.h"
#include "model/packed_tensors.h"
#include "test_data.h"

namespace spectra::model {
namespace {

using format::ModelDirectory;
using format::TensorView;

// Odd sizes: GLU 90 is no multiple of a group, rows of 64 end in the middle of one of 80; GQA; 2 shards.
Config tiny(Family family) {
  Config config;
  config.hidden = 64, config.glu = 90, config.heads = 4, config.kv_heads = 2, config.layers = 2, config.vocab = 33;
  config.shards = 2, config.family = family;
  return config;
}

/// A weight that is 0 or ±scale of its shard (linear), or any fp16 number.
std::vector<fp16> random_tensor(const Parameter& parameter, const Config& config, Rng& rng) {
  std::vector<fp16> data(static_cast<size_t>(parameter.rows * parameter.cols));
  for (fp16& value : data) value = to_fp16(static_cast<float>(rng.uniform() - 0.5));
  if (parameter.role != Role::kLinear) return data;
  const std::vector<int64_t> bounds = shard_bounds(parameter, config.shards);
  std::vector<float> scales;
  for (int64_t s = 0; s < config.shards; ++s) scales.push_back(round_to_fp16(static_cast<float>(0.01 + rng.uniform())));
  for (int64_t r = 0; r < parameter.rows; ++r)
    for (int64_t c = 0; c < parameter.cols; ++c) {
      size_t s = 0;
      while (bounds[s + 1] <= (parameter.axis == ShardAxis::kRows ? r : c)) ++s;
      const int code =
          config.family == Family::kBinary ? static_cast<int>(rng.below(2)) * 2 - 1 : static_cast<int>(rng.below(3)) - 1;
      data[static_cast<size_t>(r * parameter.cols + c)] = to_fp16(code == 0 ? 0.0f : static_cast<float>(code) * scales[s]);
    }
  return data;
}

using Change = std::function<void(const Parameter&, std::vector<fp16>&)>;

/// Writes a model with an extra tensor that the architecture does not know. `change` may alter weights.
void write_model(const fs::path& path, const Config& config, const Change& change = {}) {
  fs::create_directory(path);
  std::vector<format::SafetensorsWriter::Entry> entries;
  for (const Parameter& parameter : parameters(config)) entries.push_back({parameter.name, DType::kF16, tensor_shape(parameter)});
  entries.push_back({"model.rotary.inv_freq", DType::kF32, {3}});
  format::SafetensorsWriter writer(path / "model.safetensors", entries);
  Rng rng(11);
  for (const Parameter& parameter : parameters(config)) {
    std::vector<fp16> data = random_tensor(parameter, config, rng);
    if (change) change(parameter, data);
    writer.write(data.data(), data.size() * sizeof(fp16));
  }
  const float frequencies[3] = {1.0f, 0.5f, 0.25f};
  writer.write(frequencies, sizeof(frequencies));
  writer.close();
  auto document = nlohmann::ordered_json::parse(config_to_json(config, "float16"));
  document["_name_or_path"] = "somewhere";  // a key of others must survive
  write_file(path / "config.json", document.dump());
  write_file(path / "tokenizer.json", "{}");
  format::Provenance provenance;
  provenance.family = family_name(config.family);
  provenance.step = 7;
  format::write_provenance(path, provenance);
}

void expect_same_tensors(const fs::path& a, const fs::path& b) {
  const ModelDirectory x(a), y(b);
  EXPECT_EQ(x.tensors().size(), y.tensors().size());
  for (const TensorView* tensor : x.tensors()) {
    const TensorView& other = y.get(tensor->name);
    EXPECT_EQ(tensor->dtype, other.dtype);
    EXPECT_EQ(tensor->shape, other.shape);
    ASSERT_EQ(tensor->data.size(), other.data.size());
    EXPECT_EQ(std::memcmp(tensor->data.data(), other.data.data(), other.data.size()), 0) << tensor->name;
  }
}

std::string refusal(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Exit::kBadInput);
    return error.what();
  }
  return "accepted";
}

class EveryFormat : public testing::TestWithParam<lowbit::Format> {};

TEST_P(EveryFormat, ComesBackBitwise) {
  const lowbit::Format format = GetParam();
  const test::TemporaryDirectory directory;
  write_model(directory / "m", tiny(format == lowbit::Format::kBin1 ? Family::kBinary : Family::kTernary));
  const PackReport report = pack_model(directory / "m", directory / "p", format);
  EXPECT_TRUE(report.checksums_verified);
  ASSERT_EQ(report.groups.size(), 7u);
  EXPECT_EQ(report.groups[0].projection, "q_proj");
  EXPECT_EQ(report.groups[0].matrices, 2);
  EXPECT_EQ(report.groups[0].shards, 2);
  EXPECT_EQ(report.groups[3].axis, "columns");
  EXPECT_LT(report.bytes_after, report.bytes_before / 2);

  const ModelDirectory packed(directory / "p");
  EXPECT_TRUE(packed.verify_checksums());
  EXPECT_EQ(packed.tensors().front()->name, "model.layers.0.self_attn.q_proj.weight_packed");
  EXPECT_EQ(packed.find("model.layers.0.self_attn.q_proj.weight"), nullptr);
  uint64_t bytes = 0;
  for (const TensorView* tensor : packed.tensors()) bytes += tensor->data.size();
  EXPECT_EQ(bytes, report.bytes_after);
  const auto provenance = nlohmann::json::parse(packed.provenance_json());
  EXPECT_EQ(provenance["parent"], "m");
  EXPECT_EQ(provenance["step"], 7);
  const auto parent = nlohmann::json::parse(ModelDirectory(directory / "m").provenance_json());
  EXPECT_EQ(provenance["parent_sha256"]["model.safetensors"], parent["sha256"]["model.safetensors"]);
  const auto config = nlohmann::json::parse(packed.config_json());
  EXPECT_EQ(config["quantization_config"]["format"], lowbit::format_name(format));
  EXPECT_EQ(config["_name_or_path"], "somewhere");
  EXPECT_TRUE(fs::exists(directory / "p" / "tokenizer.json"));

  const UnpackReport back = unpack_model(directory / "p", directory / "u");
  EXPECT_EQ(back.matrices, 14);
  EXPECT_EQ(back.bytes_after, report.bytes_before);
  expect_same_tensors(directory / "m", directory / "u");
  EXPECT_EQ(nlohmann::json::parse(ModelDirectory(directory / "u").config_json()),
            nlohmann::json::parse(ModelDirectory(directory / "m").config_json()));
}

INSTANTIATE_TEST_SUITE_P(Formats, EveryFormat,
                         testing::Values(lowbit::Format::kTern2, lowbit::Format::kTern1_6, lowbit::Format::kBin1));

TEST(Pack, TheOtherAxisOfAForeignModelIsKeptByName) {
  const test::TemporaryDirectory directory;
  const std::string name = "model.layers.1.self_attn.o_proj.weight";
  write_model(directory / "m", tiny(Family::kTernary), [&](const Parameter& parameter, std::vector<fp16>& data) {
    if (parameter.name != name) return;
    for (size_t i = 0; i < data.size(); ++i) data[i] = to_fp16(i < 10 * 64 ? 0.5f : -0.25f);  // rows 0-9, 10-63
  });
  pack_model(directory / "m", directory / "p", lowbit::Format::kTern2);
  const ModelDirectory packed(directory / "p");
  const PackedConfig config = packed_config_from_json(packed.config_json(), "config.json");
  for (const Parameter& parameter : parameters(tiny(Family::kTernary))) {
    if (parameter.name != name) continue;
    const PackedMatrix matrix = packed_matrix(packed, config, parameter);
    EXPECT_EQ(matrix.axis, ShardAxis::kRows);
    EXPECT_EQ(matrix.bounds, (std::vector<int64_t>{0, 10, 64}));
  }
  unpack_model(directory / "p", directory / "u");
  expect_same_tensors(directory / "m", directory / "u");
}

TEST(Pack, RefusesByNameAndLeavesNothing) {
  const test::TemporaryDirectory directory;
  const std::string name = "model.layers.1.mlp.down_proj.weight";
  write_model(directory / "m", tiny(Family::kTernary), [&](const Parameter& parameter, std::vector<fp16>& data) {
    if (parameter.name == name) data[123] = to_fp16(0.75f);
  });
  const auto pack = [&] { pack_model(directory / "m", directory / "p", lowbit::Format::kTern1_6); };
  EXPECT_NE(refusal(pack).find(name + " is not ternary: weight [1, 33]"), std::string::npos) << refusal(pack);
  EXPECT_EQ(std::distance(fs::directory_iterator(directory.path()), fs::directory_iterator{}), 1);

  write_model(directory / "t", tiny(Family::kTernary));
  EXPECT_NE(refusal([&] { pack_model(directory / "t", directory / "p", lowbit::Format::kBin1); }).find("is not binary"),
            std::string::npos);
  EXPECT_NE(refusal([&] { unpack_model(directory / "t", directory / "u"); }).find("is not a packed model"), std::string::npos);
  pack_model(directory / "t", directory / "p", lowbit::Format::kTern2);
  EXPECT_NE(refusal([&] { pack_model(directory / "p", directory / "q", lowbit::Format::kTern2); }).find("packed already"),
            std::string::npos);
  EXPECT_NE(refusal([&] { pack_model(directory / "t", directory / "p", lowbit::Format::kTern2); }), "accepted");
}

/// Flips bits of the byte at `offset` of the file.
void damage(const fs::path& file, uint64_t offset, char bits) {
  std::fstream stream(file, std::ios::in | std::ios::out | std::ios::binary);
  stream.seekg(static_cast<std::streamoff>(offset));
  const char byte = static_cast<char>(stream.get() ^ bits);
  stream.seekp(static_cast<std::streamoff>(offset));
  stream.put(byte);
}

TEST(Pack, DamageIsFoundByChecksumAndByCode) {
  const test::TemporaryDirectory directory;
  write_model(directory / "m", tiny(Family::kTernary));
  pack_model(directory / "m", directory / "p", lowbit::Format::kTern2);
  const fs::path file = directory / "p" / "model.safetensors";
  const std::string bytes = read_file(file);
  uint64_t header = 0;
  std::memcpy(&header, bytes.data(), 8);
  const uint64_t offset = 8 + header + 5;                           // in the first tile of the first matrix
  damage(file, offset, static_cast<char>(bytes[offset] ^ '\xff'));  // all four codes 3
  EXPECT_NE(refusal([&] { unpack_model(directory / "p", directory / "u"); }).find("damaged or was changed"), std::string::npos);
  const std::string why = refusal([&] { unpack_model(directory / "p", directory / "u", false); });
  EXPECT_NE(why.find("self_attn.q_proj.weight: rows from 0 on hold bytes that tern2-v2 does not have"), std::string::npos) << why;
  EXPECT_FALSE(fs::exists(directory / "u"));
}

TEST(Pack, NegativeZerosBecomeZeros) {
  const test::TemporaryDirectory directory;
  write_model(directory / "m", tiny(Family::kTernary), [](const Parameter&, std::vector<fp16>& data) {
    for (fp16& value : data)
      if (value.bits == 0) value.bits = 0x8000;
  });
  const PackReport report = pack_model(directory / "m", directory / "p", lowbit::Format::kTern2);
  int64_t zeros = 0;
  for (const PackedGroup& group : report.groups) zeros += group.zeros;
  EXPECT_GT(zeros, 0);
  EXPECT_EQ(report.negative_zeros, zeros);
  unpack_model(directory / "p", directory / "u");
  const ModelDirectory before(directory / "m"), after(directory / "u");
  for (const Parameter& parameter : parameters(tiny(Family::kTernary))) {
    std::vector<float> a(static_cast<size_t>(parameter.rows * parameter.cols)), b(a.size());
    format::read_floats(before.get(parameter.name), a.data());
    format::read_floats(after.get(parameter.name), b.data());
    EXPECT_EQ(a, b);  // as values
  }
}

}  // namespace
}  // namespace spectra::model
