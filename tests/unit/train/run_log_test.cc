// SPDX-License-Identifier: Apache-2.0
#include "train/run_log.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <csignal>
#include <limits>
#include <nlohmann/json.hpp>
#include <sstream>

#include "base/error.h"
#include "test_data.h"

namespace spectra::train {
namespace {

using nlohmann::json;

LogLine line_of(int64_t step) {
  LogLine line;
  line.step = step;
  line.tokens = step * 64;
  line.loss = 4.0 / static_cast<double>(step);
  return line;
}

std::vector<json> lines_of(const fs::path& path) {
  std::vector<json> lines;
  std::istringstream in(read_file(path));
  for (std::string line; std::getline(in, line);) lines.push_back(json::parse(line));
  return lines;
}

/// No file of this process can grow beyond `bytes` while this lives: what a full disk does, without one.
class FullDisk {
 public:
  explicit FullDisk(size_t bytes) {
    ::getrlimit(RLIMIT_FSIZE, &before_);
    handler_ = std::signal(SIGXFSZ, SIG_IGN);
    rlimit limit = before_;
    limit.rlim_cur = bytes;
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FullDisk() {
    ::setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, handler_);
  }

 private:
  rlimit before_{};
  void (*handler_)(int) = SIG_DFL;
};

TEST(RunLog, IsLockedWhileOpen) {
  const test::TemporaryDirectory directory;
  const RunLog log(directory / "log.jsonl", 0);
  EXPECT_THROW(RunLog(directory / "log.jsonl", 0), Error);
}

TEST(RunLog, ADamagedLineIsNamed) {
  const test::TemporaryDirectory directory;
  write_file(directory / "log.jsonl", "{\"step\": 1, \"loss\": 2.0}\n{\"step\"; 2}\n{\"step\": 3, \"loss\": 2.0}\n");
  try {
    RunLog log(directory / "log.jsonl", 3);
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("line 2"), std::string::npos);
  }
}

TEST(RunLog, OptionalValuesAreAbsentUntilSet) {
  const test::TemporaryDirectory directory;
  const fs::path path = directory / "log.jsonl";
  RunLog log(path, 0);
  log.append(line_of(1));
  LogLine full = line_of(2);
  full.mfu = 0.5, full.memory_bytes = 1000, full.loss_scale = 65536, full.skipped = "overflow";
  log.append(full);
  const std::vector<json> lines = lines_of(path);
  for (const char* key : {"mfu", "memory_bytes", "loss_scale", "skipped", "validation_loss", "zero_fraction", "flip_fraction"})
    EXPECT_FALSE(lines[0].contains(key)) << key;
  EXPECT_EQ(lines[1]["mfu"], 0.5);
  EXPECT_EQ(lines[1]["memory_bytes"], 1000);
  EXPECT_EQ(lines[1]["loss_scale"], 65536);
  EXPECT_EQ(lines[1]["skipped"], "overflow");
}

TEST(RunLog, ASkippedStepWithoutALossIsReadBack) {
  const test::TemporaryDirectory directory;
  const fs::path path = directory / "log.jsonl";
  {
    RunLog log(path, 0);
    log.append(line_of(1));
    LogLine bad = line_of(2);
    bad.loss = bad.grad_norm = std::numeric_limits<double>::quiet_NaN();
    bad.skipped = "nan";
    log.append(bad);
    EXPECT_EQ(log.loss(), 4.0);
  }
  const RunLog again(path, 2);
  EXPECT_EQ(again.loss(), 4.0);
  EXPECT_TRUE(lines_of(path)[1]["loss"].is_null());
  EXPECT_EQ(lines_of(path).size(), 2u);
}

TEST(RunLog, AFullDiskLosesNoLine) {
  const test::TemporaryDirectory directory;
  const fs::path path = directory / "log.jsonl";
  RunLog log(path, 0);
  log.append(line_of(1));
  const std::string whole = read_file(path);
  for (const size_t space : {size_t{0}, size_t{20}}) {  // nothing can be written; a part of a line can
    const FullDisk full(whole.size() + space);
    EXPECT_NO_THROW(log.append(line_of(space == 0 ? 2 : 3)));
    EXPECT_EQ(read_file(path), whole) << "a torn line is left";
    EXPECT_THROW(log.sync(), Error);
    EXPECT_EQ(read_file(path), whole);
  }
  EXPECT_EQ(log.loss(), 4.0 / 3);
  log.append(line_of(4));
  EXPECT_NO_THROW(log.sync());
  const std::vector<json> lines = lines_of(path);
  ASSERT_EQ(lines.size(), 4u);
  for (size_t i = 0; i < lines.size(); ++i) EXPECT_EQ(lines[i]["step"], i + 1);
}

TEST(RunLog, LinesThatWaitAreWrittenWhenItCloses) {
  const test::TemporaryDirectory directory;
  const fs::path path = directory / "log.jsonl";
  auto log = std::make_unique<RunLog>(path, 0);
  {
    const FullDisk full(0);
    log->append(line_of(1));
  }
  EXPECT_EQ(fs::file_size(path), 0u);
  log.reset();
  EXPECT_EQ(lines_of(path).size(), 1u);
}

}  // namespace
}  // namespace spectra::train
