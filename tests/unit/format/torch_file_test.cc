// SPDX-License-Identifier: Apache-2.0
#include "format/torch_file.h"

#include <gtest/gtest.h>

#include <cstring>

#include "base/error.h"
#include "format/zip.h"
#include "torch_bytes.h"

namespace spectra::format {
namespace {

namespace p = test::pickle;

std::span<const std::byte> pickle_bytes(const std::string& text) {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}
template <class Parse>
std::string complaint(const Parse& parse) {
  try {
    parse();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Exit::kBadInput);
    return error.what();
  }
  return "";
}
std::string torch_complaint(const std::string& bytes) {
  return complaint([&] { parse_torch_file(pickle_bytes(bytes), "f"); });
}
std::string pickle_complaint(const std::string& body) {
  return complaint([&] { unpickle_tensors(body, "f"); });
}
void expect_complaint(const std::string& what, const std::string& part) { EXPECT_NE(what.find(part), std::string::npos) << what; }

std::string floats(const std::vector<float>& values) {
  return std::string(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float));
}
std::vector<float> row(const TorchTensor& tensor, int64_t index) {
  std::vector<float> values(tensor.view.shape.empty() ? 1 : static_cast<size_t>(tensor.view.shape.back()));
  tensor.read_row(index, reinterpret_cast<std::byte*>(values.data()));
  return values;
}

/// Storage 0 holds 0 to 11.
std::string good_pickle() {
  const std::string storage = p::storage("FloatStorage", "0", 12);
  return p::file(p::dict(p::text("a") + p::tensor(storage, 0, {3, 4}, {4, 1}) +           // as it lies
                         p::text("t") + p::tensor(storage, 0, {4, 3}, {1, 4}) +           // transposed
                         p::text("cut") + p::tensor(storage, 5, {2, 2}, {4, 1}) +         // rows 1 and 2, columns 1 and 2
                         p::text("cube") + p::tensor(storage, 0, {2, 2, 3}, {3, 6, 1}) +  // two dimensions exchanged
                         p::text("one") + p::tensor(storage, 7, {}, {})));
}
std::string good_file(bool zip64 = false) {
  return test::zip(
      {{"m/data.pkl", good_pickle()}, {"m/byteorder", "little"}, {"m/data/0", floats({0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11})}},
      zip64);
}

TEST(TorchFile, ViewsOfOneStorage) {
  for (const bool zip64 : {false, true}) {
    const std::string bytes = good_file(zip64);
    const std::vector<TorchTensor> tensors = parse_torch_file(pickle_bytes(bytes), "f");
    ASSERT_EQ(tensors.size(), 5u);
    EXPECT_EQ(tensors[0].view.name, "a");
    EXPECT_EQ(tensors[0].view.dtype, DType::kF32);
    EXPECT_EQ(row(tensors[0], 2), (std::vector<float>{8, 9, 10, 11}));
    EXPECT_EQ(row(tensors[1], 3), (std::vector<float>{3, 7, 11}));
    EXPECT_EQ(row(tensors[2], 0), (std::vector<float>{5, 6}));
    EXPECT_EQ(row(tensors[2], 1), (std::vector<float>{9, 10}));
    EXPECT_EQ(row(tensors[3], 1), (std::vector<float>{6, 7, 8}));  // [0][1]
    EXPECT_EQ(row(tensors[3], 2), (std::vector<float>{3, 4, 5}));  // [1][0]
    EXPECT_EQ(row(tensors[4], 0), (std::vector<float>{7}));
  }
}

TEST(TorchFile, DamageIsAlwaysAnErrorOrStillAFile) {
  for (const bool zip64 : {false, true}) {
    const std::string good = good_file(zip64);
    ASSERT_EQ(torch_complaint(good), "");
    for (size_t length = 0; length < good.size(); ++length) EXPECT_NE(torch_complaint(good.substr(0, length)), "") << length;
    for (size_t at = 0; at < good.size(); ++at)
      for (int bit = 0; bit < 8; ++bit) {
        std::string bad = good;
        bad[at] = static_cast<char>(bad[at] ^ (1 << bit));
        torch_complaint(bad);  // anything but an Error fails the test
      }
  }
}

TEST(TorchFile, RefusesWithTheReason) {
  expect_complaint(torch_complaint(std::string("\x80\x02\x8a\x0a", 4) + "l\xfc\x9c"), "PyTorch before 1.6");
  expect_complaint(torch_complaint("no"), "is not a zip file");
  expect_complaint(torch_complaint(std::string(100, 'x')), "is not a zip file");
  expect_complaint(torch_complaint(test::zip({{"m/version", "3"}})), "holds no data.pkl");
  expect_complaint(torch_complaint(test::zip({{"m/data.pkl", good_pickle()}})), "storage 0 is missing");
  expect_complaint(torch_complaint(test::zip({{"m/data.pkl", good_pickle()}, {"m/data/0", std::string(47, 'x')}})),
                   "storage 0 has 47 bytes");
  expect_complaint(torch_complaint(test::zip({{"m/data.pkl", good_pickle()}, {"m/byteorder", "big"}})), "big-endian");
  expect_complaint(torch_complaint(test::zip({{"m/data.pkl", "x"}, {"m/data.pkl", "y"}})), "two zip entries are called");
  std::string overlap = test::zip({{"a", "12345678"}, {"b", "12345678"}});
  const size_t second = overlap.find("PK\x01\x02", overlap.find("PK\x01\x02") + 1);
  overlap.replace(second + 42, 4, test::little(0u));  // both begin at byte 0
  expect_complaint(complaint([&] { parse_zip(pickle_bytes(overlap), "f"); }), "overlap");
  std::string deflated = test::zip({{"a", "12345678"}});
  deflated[deflated.find("PK\x01\x02") + 10] = 8;
  expect_complaint(complaint([&] { parse_zip(pickle_bytes(deflated), "f"); }), "compressed");
}

TEST(Unpickler, RunsNothing) {
  expect_complaint(pickle_complaint(p::file(p::function("os", "system") + p::tuple({p::text("false")}) + "R")), "calls os.system");
  expect_complaint(pickle_complaint(p::file(p::function("torch", "load") + ")R")), "calls torch.load");
  expect_complaint(pickle_complaint(p::file(p::text("builtins") + p::text("eval") + "\x93")), "calls builtins.eval");
  expect_complaint(pickle_complaint(p::file(p::function("torch", "FloatStorage") + ")R")), "is no function");
  expect_complaint(pickle_complaint("\x80\x02" + std::string("i") + "os\nsystem\n."), "operation 0x69");  // INST
}

TEST(Unpickler, RefusesWithTheReason) {
  const std::string storage = p::storage("HalfStorage", "0", 12);
  const auto one = [&](const std::string& tensor) { return pickle_complaint(p::file(p::dict(p::text("w") + tensor))); };
  EXPECT_EQ(one(p::tensor(storage, 0, {3, 4}, {4, 1})), "");
  expect_complaint(one(p::tensor(storage, 1, {3, 4}, {4, 1})), "reaches beyond");
  expect_complaint(one(p::tensor(storage, -1, {3, 4}, {4, 1})), "reaches beyond");
  expect_complaint(one(p::tensor(storage, 0, {3, 4}, {4, -1})), "negative");
  expect_complaint(one(p::tensor(storage, 0, {2000000000, 2000000000, 2000000000}, {1, 1, 1})), "reaches beyond");
  expect_complaint(one(p::tensor(storage, 0, {1000000, 4}, {0, 1})), "repeats elements");
  expect_complaint(one(p::tensor(storage, 0, {3}, {4, 1})), "do not agree");
  expect_complaint(one(p::number(3)), "is no named tensor");
  expect_complaint(pickle_complaint(p::file(
                       p::dict(p::text("w") + p::tensor(storage, 0, {1}, {1}) + p::text("w") + p::tensor(storage, 0, {1}, {1})))),
                   "occurs twice");
  expect_complaint(pickle_complaint(p::file(p::number(1))), "holds no dict");
  expect_complaint(pickle_complaint("\x80\x02"), "0 are left");
  expect_complaint(pickle_complaint("."), "stack is empty");
  expect_complaint(pickle_complaint("\x80\x09."), "protocol 9");
  expect_complaint(pickle_complaint("}}t."), "no mark");
  expect_complaint(pickle_complaint("h\x05."), "nothing is remembered");
  expect_complaint(pickle_complaint("X\xff\xff\xff\x7f."), "bytes are wanted");
  expect_complaint(pickle_complaint(std::string((1 << 21) + 10, 'N')), "more than any model needs");
  std::string nested(100000, '\x85');  // tuples in tuples
  expect_complaint(pickle_complaint("N" + nested + "."), "holds no dict");
}

}  // namespace
}  // namespace spectra::format
