// SPDX-License-Identifier: Apache-2.0
// The framing and resuming of event files; that others can read them is tests/integration/test_events.py's question.
#include "train/event_file.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>

#include "test_data.h"

namespace spectra::train {
namespace {

std::vector<fs::path> files_of(const fs::path& directory) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(directory)) files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  return files;
}

/// Sizes of the records in a file, by their length fields.
std::vector<uint64_t> records_of(const fs::path& path) {
  const std::string bytes = read_file(path);
  std::vector<uint64_t> lengths;
  for (size_t at = 0; at < bytes.size();) {
    uint64_t length = 0;
    std::memcpy(&length, bytes.data() + at, sizeof(length));
    lengths.push_back(length);
    at += 12 + length + 4;
    EXPECT_LE(at, bytes.size());
  }
  return lengths;
}

void write_steps(EventFile& file, int64_t first, int64_t last) {
  for (int64_t step = first; step <= last; ++step) file.add(step, {{"loss", 1.0 / static_cast<double>(step)}});
}

TEST(Crc32c, KnownValues) {  // RFC 3720, B.4
  EXPECT_EQ(crc32c("123456789"), 0xe3069283u);
  EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8a9136aau);
  EXPECT_EQ(crc32c(std::string(32, '\xff')), 0x62a8ab43u);
}

TEST(EventFile, OneRecordAStepAfterVersionAndStart) {
  const test::TemporaryDirectory directory;
  EventFile file(directory.path(), 0);
  EXPECT_TRUE(files_of(directory.path()).empty());
  write_steps(file, 1, 300);
  ASSERT_EQ(files_of(directory.path()).size(), 1u);
  EXPECT_EQ(records_of(files_of(directory.path())[0]).size(), 302u);
}

TEST(EventFile, AResumeCutsLaterStepsAndBeginsAFileThatSortsLast) {
  const test::TemporaryDirectory directory;
  {
    EventFile file(directory.path(), 0);
    write_steps(file, 1, 300);
  }
  const fs::path first = files_of(directory.path())[0];
  EventFile resumed(directory.path(), 200);
  EXPECT_EQ(records_of(first).size(), 202u);
  write_steps(resumed, 201, 250);
  const std::vector<fs::path> files = files_of(directory.path());
  ASSERT_EQ(files.size(), 2u);
  EXPECT_EQ(files[0], first);
  EXPECT_EQ(records_of(files[1]).size(), 52u);
  const EventFile again(directory.path(), 150);  // the second file is of later steps only
  EXPECT_EQ(records_of(files[0]).size(), 152u);
  EXPECT_EQ(records_of(files[1]).size(), 1u);
}

TEST(EventFile, ATornOrDamagedTailIsCut) {
  const test::TemporaryDirectory directory;
  {
    EventFile file(directory.path(), 0);
    write_steps(file, 1, 10);
  }
  const fs::path path = files_of(directory.path())[0];
  const std::string whole = read_file(path);
  for (size_t size = 0; size < whole.size(); size += 7) {
    write_file(path, whole.substr(0, size));
    const EventFile resumed(directory.path(), 10);
    const std::string kept = read_file(path);
    EXPECT_EQ(kept, whole.substr(0, kept.size()));
    records_of(path);
  }
  write_file(path, whole + std::string(100, '\0'));  // what a power cut may leave
  const EventFile resumed(directory.path(), 10);
  EXPECT_EQ(read_file(path), whole);
}

}  // namespace
}  // namespace spectra::train
