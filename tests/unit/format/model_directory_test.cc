// SPDX-License-Identifier: Apache-2.0
#include "format/model_directory.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/half.h"
#include "test_data.h"

namespace spectra::format {
namespace {

/// Writes one file of U8 tensors, each of one byte.
void write_tensors(const fs::path& file, const std::vector<std::string>& names) {
  std::vector<SafetensorsWriter::Entry> entries;
  for (const std::string& name : names) entries.push_back({name, DType::kU8, {1}});
  SafetensorsWriter writer(file, entries);
  for (size_t i = 0; i < names.size(); ++i) writer.write(names[i].data(), 1);
  writer.close();
}

void write_text(const fs::path& path, const std::string& text) { std::ofstream(path) << text; }

std::string complaint(const fs::path& path) {
  try {
    ModelDirectory model(path);
    model.verify_checksums();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Exit::kBadInput);
    EXPECT_NE(error.hint(), "");
    return error.what();
  }
  return "";
}

TEST(ModelDirectory, OneFile) {
  const test::TemporaryDirectory temporary;
  EXPECT_NE(complaint(temporary / "none").find("is not a directory"), std::string::npos);
  EXPECT_NE(complaint(temporary.path()).find("config.json"), std::string::npos);
  write_text(temporary / "config.json", "{}");
  EXPECT_NE(complaint(temporary.path()).find("model.safetensors"), std::string::npos);
  write_tensors(temporary / "model.safetensors", {"b", "a"});
  const ModelDirectory model(temporary.path());
  EXPECT_EQ(model.config_json(), "{}");
  EXPECT_EQ(model.provenance_json(), "");
  EXPECT_FALSE(model.verify_checksums());
  ASSERT_EQ(model.tensors().size(), 2u);
  EXPECT_EQ(model.tensors()[0]->name, "b");
  EXPECT_EQ(model.get("a").data.size(), 1u);
  EXPECT_EQ(model.find("c"), nullptr);
  EXPECT_THROW(model.get("c"), Error);
}

TEST(ModelDirectory, Shards) {
  const test::TemporaryDirectory temporary;
  write_text(temporary / "config.json", "{}");
  write_tensors(temporary / "model-00001-of-00002.safetensors", {"a", "b"});
  write_tensors(temporary / "model-00002-of-00002.safetensors", {"c"});
  const std::string first = "model-00001-of-00002.safetensors", second = "model-00002-of-00002.safetensors";
  const auto index = [&](const nlohmann::json& map) {
    write_text(temporary / "model.safetensors.index.json",
               nlohmann::json{{"metadata", {{"total_size", 3}}}, {"weight_map", map}}.dump());
    return complaint(temporary.path());
  };
  EXPECT_EQ(index({{"a", first}, {"b", first}, {"c", second}}), "");
  EXPECT_EQ(ModelDirectory(temporary.path()).tensors().size(), 3u);
  EXPECT_NE(index({{"a", first}, {"c", second}}).find("holds tensor b"), std::string::npos);
  EXPECT_NE(index({{"a", first}, {"b", second}, {"c", second}}).find("tensor b"), std::string::npos);
  EXPECT_NE(index({{"a", first}, {"b", first}, {"c", second}, {"d", second}}).find("tensor d"), std::string::npos);
  EXPECT_NE(index({{"a", first}, {"b", first}, {"c", "model-3.safetensors"}}).find("missing"), std::string::npos);
  for (const std::string name : {"../x.safetensors", "/etc/passwd", "", ".", "..", "a/b", "a\\b"})
    EXPECT_NE(index({{"a", first}, {"b", first}, {"c", name}}).find("not a file name"), std::string::npos) << name;
  EXPECT_NE(index({{"a", 5}}).find("not a file name"), std::string::npos);
  EXPECT_NE(index(5).find("weight_map"), std::string::npos);
  write_text(temporary / "model.safetensors.index.json", R"({"weight_map":{"a":"x","a":"y"}})");
  EXPECT_NE(complaint(temporary.path()).find("occurs twice"), std::string::npos);
}

TEST(ModelDirectory, ProvenanceAndChecksums) {
  const test::TemporaryDirectory temporary;
  write_text(temporary / "config.json", "{}");
  write_tensors(temporary / "model.safetensors", {"a"});
  write_text(temporary / "tokenizer.json", "{}");
  Provenance provenance;
  provenance.family = "ternary";
  provenance.tokens = 5;
  provenance.extra_json = R"({"note": "test"})";
  write_provenance(temporary.path(), provenance);
  const ModelDirectory model(temporary.path());
  const auto json = nlohmann::json::parse(model.provenance_json());
  EXPECT_EQ(json["family"], "ternary");
  EXPECT_EQ(json["tokens"], 5);
  EXPECT_FALSE(json.contains("step"));
  EXPECT_FALSE(json.contains("parent"));
  EXPECT_EQ(json["note"], "test");
  EXPECT_EQ(json["sha256"].size(), 3u);
  EXPECT_TRUE(model.verify_checksums());

  const std::string before = read_file(temporary / "spectra.json");
  write_provenance(temporary.path(), provenance);
  EXPECT_EQ(read_file(temporary / "spectra.json"), before) << "the same directory gives the same bytes";

  write_text(temporary / "tokenizer.json", "[]");
  EXPECT_NE(complaint(temporary.path()).find("tokenizer.json is damaged"), std::string::npos);
  fs::remove(temporary / "tokenizer.json");
  EXPECT_NE(complaint(temporary.path()).find("tokenizer.json is missing"), std::string::npos);
  write_text(temporary / "spectra.json", R"({"sha256":{"../config.json":"00"}})");
  EXPECT_NE(complaint(temporary.path()).find("../config.json"), std::string::npos);
}

TEST(ModelDirectory, CopiesTokenizerFiles) {
  const test::TemporaryDirectory temporary;
  fs::create_directory(temporary / "from");
  fs::create_directory(temporary / "to");
  write_text(temporary / "from/tokenizer.json", "T");
  write_text(temporary / "from/other.txt", "x");
  copy_tokenizer_files(temporary / "from", temporary / "to");
  EXPECT_EQ(read_file(temporary / "to/tokenizer.json"), "T");
  EXPECT_EQ(std::distance(fs::directory_iterator(temporary / "to"), {}), 1);
}

TEST(ReadFloats, EveryFloatTypeAndNoOther) {
  const auto view = [](DType dtype, const void* data, size_t bytes) {
    return TensorView{"t", dtype, {3}, {static_cast<const std::byte*>(data), bytes}};
  };
  const std::vector<float> expected = {1.0f, -0.5f, 3.0f};
  const fp16 half[3] = {to_fp16(1.0f), to_fp16(-0.5f), to_fp16(3.0f)};
  const bf16 brain[3] = {to_bf16(1.0f), to_bf16(-0.5f), to_bf16(3.0f)};
  const double wide[3] = {1.0, -0.5, 3.0};
  std::vector<float> seen(3);
  read_floats(view(DType::kF16, half, sizeof half), seen.data());
  EXPECT_EQ(seen, expected);
  read_floats(view(DType::kBf16, brain, sizeof brain), seen.data());
  EXPECT_EQ(seen, expected);
  read_floats(view(DType::kF64, wide, sizeof wide), seen.data());
  EXPECT_EQ(seen, expected);
  char shifted[13];  // files of other tools need not be aligned
  std::memcpy(shifted + 1, expected.data(), 12);
  std::fill(seen.begin(), seen.end(), 0.0f);
  read_floats(view(DType::kF32, shifted + 1, 12), seen.data());
  EXPECT_EQ(seen, expected);
  EXPECT_THROW(read_floats(view(DType::kI32, expected.data(), 12), seen.data()), Error);
}

}  // namespace
}  // namespace spectra::format
