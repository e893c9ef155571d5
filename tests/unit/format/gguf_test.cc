// SPDX-License-Identifier: Apache-2.0
#include "format/gguf.h"

#include <gtest/gtest.h>

#include <cstring>

#include "base/error.h"
#include "test_data.h"

namespace spectra::format {
namespace {

std::span<const std::byte> as_bytes(const std::string& text) {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}
std::string complaint(const std::string& bytes) {
  try {
    parse_gguf(as_bytes(bytes), "f");
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Exit::kBadInput);
    return error.what();
  }
  return "";
}
void expect(const std::string& what, const std::string& part) { EXPECT_NE(what.find(part), std::string::npos) << what; }

template <class T>
std::string number(T value) {
  return std::string(reinterpret_cast<const char*>(&value), sizeof(T));
}
std::string text(const std::string& value) { return number<uint64_t>(value.size()) + value; }

/// A file by hand: `tensors` and `values` as counted, then the bytes of both, padded to 32, then `data`.
std::string file(uint64_t tensors, uint64_t values, std::string body, const std::string& data = "") {
  std::string bytes = "GGUF" + number<uint32_t>(3) + number(tensors) + number(values) + body;
  bytes.resize((bytes.size() + 31) / 32 * 32, '\0');
  return bytes + data;
}
std::string tensor(const std::string& name, const std::vector<uint64_t>& dimensions, uint32_t type, uint64_t offset) {
  std::string bytes = text(name) + number(static_cast<uint32_t>(dimensions.size()));
  for (const uint64_t extent : dimensions) bytes += number(extent);
  return bytes + number(type) + number(offset);
}

TEST(Gguf, BytesByHand) {
  const std::string body = text("general.alignment") + number<uint32_t>(4) + number<uint32_t>(32) + text("t") +
                           number<uint32_t>(9) + number<uint32_t>(8) + number<uint64_t>(2) + text("a") + text("") +
                           tensor("w", {3, 2}, 0, 32) + tensor("v", {1}, 1, 0);
  const std::string data(32 + 24, 'x');
  const std::string bytes = file(2, 2, body, data);
  const GgufContents contents = parse_gguf(as_bytes(bytes), "f");
  ASSERT_EQ(contents.tensors.size(), 2u);
  EXPECT_EQ(contents.tensors[0].shape, (std::vector<int64_t>{2, 3}));  // rows first
  EXPECT_EQ(contents.tensors[0].data.size(), 24u);
  EXPECT_EQ(reinterpret_cast<const char*>(contents.tensors[0].data.data()), bytes.data() + bytes.size() - 24);
  EXPECT_EQ(contents.tensors[1].data.size(), 2u);
  EXPECT_EQ(contents.integer("general.alignment"), 32);
  EXPECT_EQ(contents.texts("t"), (std::vector<std::string_view>{"a", ""}));
  EXPECT_EQ(contents.integer("absent", 7), 7);
  EXPECT_THROW(contents.integer("t"), Error);
  EXPECT_THROW(contents.text("absent"), Error);
}

TEST(Gguf, WriterGivesTheBytesByHand) {
  const test::TemporaryDirectory temporary;
  GgufMetadata metadata;
  metadata.put("u", uint32_t{5});
  metadata.put("b", true);
  metadata.put("s", "text");
  metadata.put("n", std::vector<int32_t>{-1, 2});
  GgufWriter writer(temporary / "m.gguf", metadata, {{"w", GgmlType::kF16, {2, 3}}, {"v", GgmlType::kF32, {1}}});
  const std::string w(12, 'w'), v(4, 'v');
  writer.write(w.data(), 5);
  writer.write(w.data() + 5, 7);
  EXPECT_FALSE(fs::exists(temporary / "m.gguf"));
  writer.write(v.data(), 4);
  writer.commit();
  const std::string expected =
      file(2, 4,
           text("u") + number<uint32_t>(4) + number<uint32_t>(5) + text("b") + number<uint32_t>(7) + "\x01" + text("s") +
               number<uint32_t>(8) + text("text") + text("n") + number<uint32_t>(9) + number<uint32_t>(5) + number<uint64_t>(2) +
               number<int32_t>(-1) + number<int32_t>(2) + tensor("w", {3, 2}, 1, 0) + tensor("v", {1}, 0, 32),
           w + std::string(20, '\0') + v + std::string(28, '\0'));
  EXPECT_EQ(read_file(temporary / "m.gguf"), expected);
  EXPECT_TRUE(is_gguf(temporary / "m.gguf"));
  EXPECT_THROW(GgufWriter(temporary / "m.gguf", metadata, {}), Error);  // nothing is overwritten
}

TEST(Gguf, UnfinishedFileDoesNotStay) {
  const test::TemporaryDirectory temporary;
  { GgufWriter writer(temporary / "m.gguf", {}, {{"w", GgmlType::kF16, {2, 3}}}); }
  EXPECT_TRUE(fs::is_empty(temporary.path()));
}

TEST(Gguf, RefusesWithTheReason) {
  const uint64_t huge = uint64_t{1} << 62;
  expect(complaint("GGUX"), "is not a GGUF file");
  expect(complaint("GG"), "only 2 are left");
  expect(complaint("GGUF" + number<uint32_t>(1)), "GGUF version 1");
  expect(complaint("GGUF" + std::string("\0\0\0\3", 4)), "GGUF version");
  expect(complaint(file(huge, 0, "")), "tensors");
  expect(complaint(file(0, huge, "")), "values");
  expect(complaint(file(0, 1, number(huge) + std::string(8, 'k'))), "key of");
  expect(complaint(file(0, 1, text("k") + number<uint32_t>(13))), "unknown kind");
  expect(complaint(file(0, 1, text("k") + number<uint32_t>(9) + number<uint32_t>(4) + number(huge))), "elements");
  expect(complaint(file(0, 1, text("k") + number<uint32_t>(9) + number<uint32_t>(8) + number(huge))), "elements");
  expect(complaint(file(0, 1, text("k") + number<uint32_t>(9) + number<uint32_t>(9) + number<uint64_t>(1))), "array of arrays");
  expect(complaint(file(0, 2, text("k") + number<uint32_t>(0) + "a" + text("k") + number<uint32_t>(0) + "a")), "occurs twice");
  expect(complaint(file(1, 0, tensor("w", {}, 0, 0))), "0 dimensions");
  expect(complaint(file(1, 0, tensor("w", {1, 1, 1, 1, 1}, 0, 0))), "5 dimensions");
  expect(complaint(file(1, 0, tensor("w", {0}, 0, 0))), "empty or too large");
  expect(complaint(file(1, 0, tensor("w", {huge, 4}, 0, 0))), "empty or too large");
  expect(complaint(file(1, 0, tensor("w", {huge}, 0, 0))), "too large");
  expect(complaint(file(1, 0, tensor("w", {32}, 99, 0))), "type 99");
  expect(complaint(file(1, 0, tensor("w", {100}, 8, 0))), "no multiple of 32");
  expect(complaint(file(1, 0, tensor("w", {8}, 0, 4), std::string(64, 'x'))), "no multiple of 32");
  expect(complaint(file(1, 0, tensor("w", {8}, 0, 64), std::string(64, 'x'))), "outside");
  expect(complaint(file(1, 0, tensor("w", {9}, 0, 32), std::string(64, 'x'))), "outside");
  expect(complaint(file(2, 0, tensor("w", {9}, 0, 0) + tensor("v", {1}, 0, 32), std::string(64, 'x'))), "begins inside tensor w");
  expect(complaint(file(2, 0, tensor("w", {1}, 0, 0) + tensor("w", {1}, 0, 32), std::string(64, 'x'))), "occurs twice");
  expect(complaint(file(0, 1, text("general.alignment") + number<uint32_t>(4) + number<uint32_t>(33))), "general.alignment is 33");
  EXPECT_EQ(complaint(file(1, 0, tensor("w", {8}, 0, 32), std::string(64, 'x'))), "");
}

TEST(Gguf, DamageIsAlwaysAnErrorOrStillAFile) {
  const std::string body = text("k") + number<uint32_t>(9) + number<uint32_t>(8) + number<uint64_t>(2) + text("a") + text("bc") +
                           tensor("w", {32, 2}, 8, 0) + tensor("v", {3}, 0, 96);
  const std::string good = file(2, 1, body, std::string(96 + 12, 'x'));
  ASSERT_EQ(complaint(good), "");
  for (size_t length = 0; length < good.size(); ++length) EXPECT_NE(complaint(good.substr(0, length)), "") << "cut to " << length;
  size_t refused = 0;
  const size_t header = good.size() - 108;
  for (size_t at = 0; at < header; ++at)
    for (int bit = 0; bit < 8; ++bit) {
      std::string bad = good;
      bad[at] = static_cast<char>(bad[at] ^ (1 << bit));
      if (!complaint(bad).empty()) ++refused;  // anything but an Error fails the test; a changed name is still a valid file
    }
  EXPECT_GT(refused, header * 3);
}

}  // namespace
}  // namespace spectra::format
