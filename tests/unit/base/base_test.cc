// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>

#include <cmath>
#include <fstream>
#include <iterator>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "base/half.h"
#include "base/hash.h"
#include "base/parallel.h"
#include "base/rng.h"
#include "base/units.h"
#include "test_data.h"

namespace spectra {
namespace {

TEST(Half, EveryBf16RoundTrips) {
  for (uint32_t bits = 0; bits < 65536; ++bits) {
    const bf16 value{static_cast<uint16_t>(bits)};
    if (std::isnan(to_float(value))) continue;
    EXPECT_EQ(to_bf16(to_float(value)).bits, bits);
  }
}

TEST(Half, EveryFp16RoundTripsAndAgreesWithTheCompiler) {
  for (uint32_t bits = 0; bits < 65536; ++bits) {
    const fp16 value{static_cast<uint16_t>(bits)};
    if (std::isnan(to_float(value))) continue;
    EXPECT_EQ(to_fp16(to_float(value)).bits, bits);
    const int exponent = static_cast<int>(bits >> 10) & 31, fraction = static_cast<int>(bits & 1023);
    if (exponent == 31) continue;
    const double magnitude = exponent == 0 ? std::ldexp(fraction, -24) : std::ldexp(1024 + fraction, exponent - 25);
    EXPECT_EQ(static_cast<double>(to_float(value)), (bits & 0x8000) != 0 ? -magnitude : magnitude);
  }
}

TEST(Half, RoundsToNearestEven) {
  EXPECT_EQ(to_bf16(1.0f + 0x1p-8f).bits, 0x3f80);      // tie: to even
  EXPECT_EQ(to_bf16(1.0f + 3 * 0x1p-8f).bits, 0x3f82);  // tie: to even, upwards
  EXPECT_EQ(to_fp16(1.0f + 0x1p-11f).bits, 0x3c00);
  EXPECT_EQ(to_fp16(1.0f + 3 * 0x1p-11f).bits, 0x3c02);
  EXPECT_EQ(to_fp16(65519.0f).bits, 0x7bff);
  EXPECT_EQ(to_fp16(65520.0f).bits, 0x7c00);
  EXPECT_EQ(to_fp16(0x1p-25f).bits, 0);  // tie between 0 and the smallest subnormal
  EXPECT_EQ(to_fp16(std::nextafterf(0x1p-25f, 1.0f)).bits, 1);
  EXPECT_TRUE(std::isnan(to_float(to_fp16(NAN))));
  EXPECT_TRUE(std::isnan(to_float(to_bf16(NAN))));
}

TEST(Rng, PhiloxKnownAnswers) {  // from the Random123 distribution's known-answer file
  EXPECT_EQ(philox({0, 0, 0, 0}, {0, 0}), (std::array<uint32_t, 4>{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(philox({0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}, {0xffffffff, 0xffffffff}),
            (std::array<uint32_t, 4>{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
}

TEST(Rng, NormalHasUnitVariance) {
  const Rng rng(7, 3);
  double sum = 0, squares = 0;
  constexpr int kCount = 200000;
  for (uint64_t i = 0; i < kCount; ++i) {
    const double x = rng.normal_at(i);
    sum += x;
    squares += x * x;
  }
  EXPECT_NEAR(sum / kCount, 0, 0.01);
  EXPECT_NEAR(squares / kCount, 1, 0.02);
}

TEST(Hash, KnownAnswers) {
  EXPECT_EQ(sha256(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(sha256("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(File, DirectoriesAreExchanged) {
  const test::TemporaryDirectory temporary;
  for (const char* name : {"a", "b"}) {
    fs::create_directory(temporary / name);
    write_file(temporary / name / "file", name);
  }
  swap_directories(temporary / "a", temporary / "b");
  EXPECT_EQ(read_file(temporary / "a/file"), "b");
  EXPECT_EQ(read_file(temporary / "b/file"), "a");
  EXPECT_THROW(swap_directories(temporary / "a", temporary / "none"), Error);
  EXPECT_EQ(read_file(temporary / "a/file"), "b");
}

TEST(File, AtomicDirectoryAppearsWholeOrNotAtAll) {
  const test::TemporaryDirectory temporary;
  {
    AtomicDirectory out(temporary / "model");
    write_file(out.path() / "a.txt", "hello");
    EXPECT_FALSE(fs::exists(temporary / "model"));
  }
  EXPECT_TRUE(fs::is_empty(temporary.path())) << "nothing may remain of a directory that was not committed";
  {
    AtomicDirectory out(temporary / "model");
    write_file(out.path() / "a.txt", "hello");
    out.commit();
  }
  EXPECT_EQ(read_file(temporary / "model/a.txt"), "hello");
  EXPECT_THROW(AtomicDirectory(temporary / "model"), Error);
  AtomicDirectory again(temporary / "model", true);
  write_file(again.path() / "b.txt", "new");
  again.commit();
  EXPECT_FALSE(fs::exists(temporary / "model/a.txt"));
  EXPECT_EQ(std::distance(fs::directory_iterator(temporary.path()), {}), 1);
}

TEST(File, FullDiskLeavesTheOldFile) {
  const test::TemporaryDirectory temporary;
  const fs::path path = temporary / "data.txt";
  write_file(path, "old");
  rlimit before{};
  getrlimit(RLIMIT_FSIZE, &before);
  signal(SIGXFSZ, SIG_IGN);
  const rlimit small{4096, before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
  EXPECT_THROW(write_file(path, std::string(3 << 20, 'x')), Error);
  setrlimit(RLIMIT_FSIZE, &before);
  EXPECT_EQ(read_file(path), "old");
  EXPECT_EQ(std::distance(fs::directory_iterator(temporary.path()), {}), 1);
}

TEST(File, ErrorsNameTheFile) {
  try {
    read_file("/no/such/file");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Exit::kBadInput);
    EXPECT_NE(std::string(error.what()).find("/no/such/file"), std::string::npos);
    EXPECT_FALSE(error.hint().empty());
  }
}

TEST(Parallel, RunsEverythingOnceAndRethrows) {
  std::vector<int> seen(1000, 0);
  parallel_for(
      seen.size(), [&](size_t i) { seen[i]++; }, 4);
  EXPECT_EQ(seen, std::vector<int>(1000, 1));
  EXPECT_THROW(parallel_for(
                   100,
                   [](size_t i) {
                     if (i == 50) throw bad_input("x");
                   },
                   3),
               Error);
}

TEST(Progress, Formats) {
  EXPECT_EQ(format_duration(3720), "1h 02m");
  EXPECT_EQ(format_duration(200), "3m 20s");
  EXPECT_EQ(format_bytes(1'500'000'000), "1.50 GB");
  EXPECT_EQ(format_count(99'740'000), "99.7M");
  EXPECT_EQ(format_count(999'999), "1.00M");
}

TEST(Bytes, AmountsAreRead) {
  EXPECT_EQ(parse_bytes("4GiB", "--x"), uint64_t{4} << 30);
  EXPECT_EQ(parse_bytes("500 MB", "--x"), 500'000'000u);
  EXPECT_EQ(parse_bytes("1.5kB", "--x"), 1500u);
  EXPECT_EQ(parse_bytes("3", "--x"), uint64_t{3} << 20);  // a number alone counts MiB
  for (const char* wrong : {"", "GiB", "-1GB", "4 apples", "1e30GB", "nan", "4GiB4"})
    EXPECT_THROW(parse_bytes(wrong, "--x"), Error) << wrong;
}

}  // namespace
}  // namespace spectra
