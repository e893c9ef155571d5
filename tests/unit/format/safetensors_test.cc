// SPDX-License-Identifier: Apache-2.0
#include "format/safetensors.h"

#include <gtest/gtest.h>

#include <cstring>
#include <string>

#include "base/error.h"
#include "base/hash.h"
#include "test_data.h"

namespace spectra::format {
namespace {

/// A whole file with this header and `data_bytes` zeros.
std::string file_of(const std::string& header, size_t data_bytes) {
  std::string file(8, '\0');
  for (size_t i = 0; i < 8; ++i) file[i] = static_cast<char>((header.size() >> (8 * i)) & 0xff);
  return file + header + std::string(data_bytes, '\0');
}

std::span<const std::byte> bytes_of(const std::string& text) {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}

/// What parse_safetensors says of the file, "" when it accepts it.
std::string refusal_of(const std::string& file) {
  try {
    parse_safetensors(bytes_of(file), "x.safetensors");
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Exit::kBadInput);
    EXPECT_NE(std::string(error.what()).find("x.safetensors"), std::string::npos) << error.what();
    return error.what();
  }
  return "";
}

TEST(Safetensors, ReadsAFileWrittenByHand) {
  std::string file = file_of(
      R"({"__metadata__":{"format":"pt"},"b":{"dtype":"F32","shape":[2,1],"data_offsets":[2,10]},)"
      R"("a":{"dtype":"F16","shape":[],"data_offsets":[0,2]},"none":{"dtype":"I64","shape":[3,0],"data_offsets":[2,2]}}   )",
      10);
  file[file.size() - 1] = 0x40;  // the last float is 2.0
  std::map<std::string, std::string> metadata;
  const auto tensors = parse_safetensors(bytes_of(file), "x", &metadata);
  ASSERT_EQ(tensors.size(), 3u);
  EXPECT_EQ(tensors[0].name, "a");
  EXPECT_EQ(tensors[0].dtype, DType::kF16);
  EXPECT_TRUE(tensors[0].shape.empty());
  EXPECT_EQ(tensors[0].elements(), 1);
  EXPECT_EQ(tensors[1].name, "none");
  EXPECT_EQ(tensors[1].elements(), 0);
  EXPECT_EQ(tensors[2].name, "b");
  EXPECT_EQ(tensors[2].shape, (std::vector<int64_t>{2, 1}));
  float last = 0;
  std::memcpy(&last, tensors[2].data.data() + 4, 4);
  EXPECT_EQ(last, 2.0f);
  EXPECT_EQ(metadata.at("format"), "pt");
}

TEST(Safetensors, RefusesWithAReason) {
  const auto entry = [](const std::string& text, size_t bytes) { return refusal_of(file_of("{\"t\":" + text + "}", bytes)); };
  const auto expect = [](const std::string& seen, const std::string& part) {
    EXPECT_NE(seen.find(part), std::string::npos) << seen;
  };
  expect(refusal_of("short"), "too few");
  expect(refusal_of(std::string(8, '\xff') + "{}"), "the header claims");
  expect(refusal_of(file_of("{}", 0).substr(0, 9)), "truncated");
  expect(refusal_of(file_of("", 0)), "'{'");
  expect(refusal_of(file_of(" {}", 0)), "'{'");
  expect(refusal_of(file_of("{]", 0)), "not valid JSON");
  expect(refusal_of(file_of("{\"\xff\":1}", 0)), "not valid JSON");
  expect(refusal_of(file_of("{} x", 0)), "not valid JSON");
  expect(refusal_of(file_of("{}", 1)), "the data section has 1 bytes");
  expect(refusal_of(file_of(R"({"__metadata__":{"a":1}})", 0)), "not a string");
  expect(refusal_of(file_of(R"({"__metadata__":[]})", 0)), "not an object");
  expect(entry("[]", 0), "not an object");
  expect(entry(R"({"shape":[1],"data_offsets":[0,4]})", 4), "no dtype");
  expect(entry(R"({"dtype":"F99","shape":[1],"data_offsets":[0,4]})", 4), "unknown dtype F99");
  expect(entry(R"({"dtype":"F32","shape":[-1],"data_offsets":[0,4]})", 4), "non-negative");
  expect(entry(R"({"dtype":"F32","shape":[1.0],"data_offsets":[0,4]})", 4), "non-negative");
  expect(entry(R"({"dtype":"F32","shape":1,"data_offsets":[0,4]})", 4), "not an array");
  expect(entry(R"({"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,4]})", 4), "overflows");
  expect(entry(R"({"dtype":"F32","shape":[18446744073709551615],"data_offsets":[0,4]})", 4), "non-negative");
  expect(entry(R"({"dtype":"F32","shape":[1],"data_offsets":[0]})", 4), "[begin, end]");
  expect(entry(R"({"dtype":"F32","shape":[1],"data_offsets":[4,0]})", 4), "outside");
  expect(entry(R"({"dtype":"F32","shape":[1],"data_offsets":[4,8]})", 4), "outside");
  expect(entry(R"({"dtype":"F32","shape":[2],"data_offsets":[0,4]})", 4), "need 8 bytes");
  expect(entry(R"({"dtype":"F32","shape":[1],"data_offsets":[4,8]})", 8), "begins at byte 4");
  expect(entry(R"({"dtype":"F32","shape":[1],"shape":[1],"data_offsets":[0,4]})", 4), "occurs twice");
  const std::string good = R"({"dtype":"U8","shape":[2],"data_offsets":[0,2]})";
  expect(refusal_of(file_of("{\"t\":" + good + ",\"t\":" + good + "}", 2)), "occurs twice");
  expect(refusal_of(file_of("{\"t\":" + good + ",\"u\":" + good + "}", 2)), "begins at byte 0");
  expect(refusal_of(file_of("{\"a\":" + std::string(100000, '[') + std::string(100000, ']') + "}", 0)), "nested deeper");
  EXPECT_EQ(entry(good, 2), "");
}

TEST(Safetensors, WriterAlignsDataAndHashes) {
  const test::TemporaryDirectory temporary;
  const fs::path path = temporary / "m.safetensors";
  for (size_t extra = 0; extra < 70; ++extra) {  // every length of the header modulo 64
    SafetensorsWriter writer(path, {{"w" + std::string(extra, 'x'), DType::kU8, {64}}, {"v", DType::kF32, {3}}},
                             {{"key", "value"}});
    const std::string first(64, 'a');
    const float second[3] = {1, 2, 3};
    writer.write(first.data(), 30);
    writer.write(first.data() + 30, 34);
    writer.write(second, sizeof second);
    const std::string sha = writer.close();
    EXPECT_EQ(sha, sha256_file(path));
    const SafetensorsFile file(path);
    ASSERT_EQ(file.tensors().size(), 2u);
    EXPECT_EQ(std::memcmp(file.tensors()[0].data.data(), first.data(), 64), 0);
    EXPECT_EQ(std::memcmp(file.tensors()[1].data.data(), second, 12), 0);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(file.tensors()[0].data.data()) % 64, 0u);
    EXPECT_EQ(file.metadata().at("format"), "pt");
    EXPECT_EQ(file.metadata().at("key"), "value");
  }
}

TEST(Safetensors, UnfinishedFileDoesNotStay) {
  const test::TemporaryDirectory temporary;
  { SafetensorsWriter writer(temporary / "m.safetensors", {{"w", DType::kU8, {64}}}); }
  EXPECT_TRUE(fs::is_empty(temporary.path()));
}

TEST(Safetensors, DamageIsAlwaysAnError) {
  const test::TemporaryDirectory temporary;
  SafetensorsWriter writer(
      temporary / "m.safetensors",
      {{"a", DType::kF32, {4, 2}}, {"b", DType::kF16, {5}}, {"empty", DType::kI32, {0}}, {"c", DType::kU8, {}}});
  const std::string data(4 * 8 + 2 * 5 + 1, 'z');
  writer.write(data.data(), data.size());
  writer.close();
  const std::string good = read_file(temporary / "m.safetensors");
  ASSERT_EQ(refusal_of(good), "");
  for (size_t length = 0; length < good.size(); ++length) EXPECT_NE(refusal_of(good.substr(0, length)), "") << "cut to " << length;
  size_t refused = 0;
  const size_t header = good.size() - data.size();
  for (size_t at = 0; at < header; ++at)
    for (int bit = 0; bit < 8; ++bit) {
      std::string bad = good;
      bad[at] = static_cast<char>(bad[at] ^ (1 << bit));
      if (!refusal_of(bad).empty()) ++refused;  // anything but an Error fails the test; a changed name is still a valid file
    }
  EXPECT_GT(refused, header * 4);
}

}  // namespace
}  // namespace spectra::format
