// SPDX-License-Identifier: Apache-2.0
#include "server/scheduler.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/parallel.h"
#include "byte_model.h"
#include "server/api_error.h"

namespace spectra::server {
namespace {

using infer::FinishReason;
using Lines = std::vector<std::string>;

/// What happened, in order, and a way to wait for it.
class Log {
 public:
  void add(const std::string& line) {
    const std::lock_guard lock(mutex_);
    lines_.push_back(line);
    changed_.notify_all();
  }
  Lines lines() const {
    const std::lock_guard lock(mutex_);
    return lines_;
  }
  /// False where it does not come within half a minute.
  bool wait_for(const std::string& line) const {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(30),
                             [&] { return std::find(lines_.begin(), lines_.end(), line) != lines_.end(); });
  }

 private:
  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  Lines lines_;
};

/// Logs "A0" when its text 0 begins and "A0 length" when that ends.
class LoggedJob : public Job {
 public:
  LoggedJob(std::string name, int64_t texts, Log& log) : name_(std::move(name)), texts_(texts), log_(log) {}

  int64_t texts() const override { return texts_; }
  infer::Request request(int64_t text) override {
    log_.add(fmt::format("{}{}", name_, text));
    if (before) before(text);
    infer::Request request{.prompt = prompt, .max_tokens = max_tokens};
    if (on_token) request.on_token = [this](const infer::Token&) { return on_token(); };
    return request;
  }
  void finished(int64_t text, const infer::Finished& how) override {
    std::string line = fmt::format("{}{} {}", name_, text, infer::finish_reason_name(how.reason));
    try {
      if (how.error) std::rethrow_exception(how.error);
    } catch (const std::exception& error) {
      line += fmt::format(": {}", error.what());
    }
    log_.add(line);
  }

  std::vector<int32_t> prompt = {1, 2, 3};
  int64_t max_tokens = 1;
  std::function<void(int64_t text)> before;  ///< called when a text is about to begin
  std::function<bool()> on_token;

 private:
  const std::string name_;
  const int64_t texts_;
  Log& log_;
};

/// A model of random weights made once, served as "a" and "b", a text at a time each.
class SchedulerTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    directory_ = std::make_unique<test::TemporaryDirectory>();
    test::write_byte_model(*directory_ / "model");
  }
  static void TearDownTestSuite() { directory_.reset(); }

  void SetUp() override {
    set_compute_threads(1);
    ModelOptions options;
    options.max_running = 1;
    for (const char* name : {"a", "b"})
      models_.push_back(std::make_unique<ServedModel>(fmt::format("{}={}", name, (*directory_ / "model").string()), options));
  }
  void TearDown() override {
    open_gate();
    set_compute_threads(0);
  }

  std::shared_ptr<LoggedJob> job(const std::string& name, int64_t texts = 1) {
    return std::make_shared<LoggedJob>(name, texts, log_);
  }
  /// Holds the scheduler's thread in a text called "gate0" until open_gate(), so that what is added meanwhile waits.
  void close_gate(Scheduler& scheduler) {
    auto gate = job("gate");
    gate->before = [this](int64_t) { opened_.wait(); };
    scheduler.add(0, gate);
    ASSERT_TRUE(log_.wait_for("gate0"));
  }
  void open_gate() {
    if (!std::exchange(open_, true)) gate_.set_value();
  }
  /// What begins, without the gate; all has ended.
  Lines begun() const {
    Lines result;
    for (const std::string& line : log_.lines())
      if (line.find(' ') == std::string::npos && line != "gate0") result.push_back(line);
    return result;
  }
  int64_t count(const std::string& line) const {
    const Lines lines = log_.lines();
    return std::count(lines.begin(), lines.end(), line);
  }

  static std::unique_ptr<test::TemporaryDirectory> directory_;
  std::vector<std::unique_ptr<ServedModel>> models_;
  Metrics metrics_;
  Log log_;
  std::promise<void> gate_;
  const std::shared_future<void> opened_ = gate_.get_future().share();
  bool open_ = false;
};
std::unique_ptr<test::TemporaryDirectory> SchedulerTest::directory_;

constexpr std::chrono::seconds kLong{30};

/// The code of the error that add() throws.
std::string refused(Scheduler& scheduler, size_t model, std::shared_ptr<Job> job, int status) {
  try {
    scheduler.add(model, std::move(job));
  } catch (const ApiError& error) {
    EXPECT_EQ(error.status, status);
    return error.code;
  }
  return "";
}

TEST_F(SchedulerTest, JobsTakeTurns) {
  Scheduler scheduler(models_, metrics_, 100);
  close_gate(scheduler);
  scheduler.add(0, job("A", 3));
  scheduler.add(0, job("B", 2));
  scheduler.add(0, job("C"));
  open_gate();
  EXPECT_TRUE(scheduler.drain(kLong));
  EXPECT_EQ(begun(), (Lines{"A0", "B0", "C0", "A1", "B1", "A2"}));
  for (const char* text : {"A0", "A1", "A2", "B0", "B1", "C0"}) EXPECT_EQ(count(std::string(text) + " length"), 1) << text;
  EXPECT_EQ(log_.lines().size(), 14u);
}

TEST_F(SchedulerTest, ModelsTakeTurns) {
  Scheduler scheduler(models_, metrics_, 100);
  close_gate(scheduler);
  scheduler.add(0, job("A", 2));
  scheduler.add(1, job("B", 2));
  open_gate();
  EXPECT_TRUE(scheduler.drain(kLong));
  EXPECT_EQ(begun(), (Lines{"B0", "A0", "B1", "A1"}));  // the gate was in the way of model a
}

TEST_F(SchedulerTest, TooManyMayNotWait) {
  Scheduler scheduler(models_, metrics_, 4);
  close_gate(scheduler);
  scheduler.add(0, job("A", 3));
  EXPECT_EQ(refused(scheduler, 0, job("B", 2), 429), "queue_full");
  EXPECT_EQ(refused(scheduler, 1, job("B", 2), 429), "queue_full");  // all models count
  scheduler.add(1, job("C"));
  EXPECT_EQ(refused(scheduler, 1, job("D"), 429), "queue_full");
  open_gate();
  EXPECT_TRUE(scheduler.drain(kLong));
  EXPECT_EQ(begun(), (Lines{"C0", "A0", "A1", "A2"}));
}

TEST_F(SchedulerTest, AJobOfAnySizeFindsAnEmptyQueue) {
  Scheduler scheduler(models_, metrics_, 4);
  scheduler.add(0, job("A", 9));
  EXPECT_TRUE(scheduler.drain(kLong));
  EXPECT_EQ(begun().size(), 9u);
}

TEST_F(SchedulerTest, GaugesCountWhatWaits) {
  Scheduler scheduler(models_, metrics_, 100);
  close_gate(scheduler);
  scheduler.add(0, job("A", 3));
  scheduler.add(0, job("B", 2));
  scheduler.add(1, job("C"));
  EXPECT_EQ(scheduler.gauges(0).waiting, 5);
  EXPECT_EQ(scheduler.gauges(1).waiting, 1);
  EXPECT_EQ(scheduler.gauges(0).running, 0);
  EXPECT_GT(scheduler.gauges(0).kv_pages, 0);
  open_gate();
  EXPECT_TRUE(scheduler.drain(kLong));
  EXPECT_EQ(scheduler.gauges(0).waiting, 0);
  EXPECT_EQ(scheduler.gauges(0).running, 0);
  EXPECT_EQ(scheduler.gauges(0).kv_pages_used, 0);
  // The batcher publishes its counts at the end of a step, after the last text has ended.
  const auto prompt_tokens = [&](size_t model, int64_t expected) {
    const auto tokens = [&] { return scheduler.gauges(model).computed_tokens + scheduler.gauges(model).reused_tokens; };
    for (const auto end = std::chrono::steady_clock::now() + kLong; tokens() < expected && std::chrono::steady_clock::now() < end;)
      std::this_thread::yield();
    return tokens();
  };
  EXPECT_EQ(prompt_tokens(0, 18), 18);  // prompts of three tokens: the gate, A and B
  EXPECT_EQ(prompt_tokens(1, 3), 3);
}

TEST_F(SchedulerTest, CancelledJobsDoNotBegin) {
  Scheduler scheduler(models_, metrics_, 100);
  close_gate(scheduler);
  const auto cancelled = job("A", 3);
  scheduler.add(0, cancelled);
  scheduler.add(0, job("B"));
  scheduler.cancel(cancelled);
  scheduler.cancel(job("unknown"));
  open_gate();
  EXPECT_TRUE(scheduler.drain(kLong));
  EXPECT_EQ(begun(), (Lines{"B0"}));
  for (const char* text : {"A0", "A1", "A2"}) EXPECT_EQ(count(std::string(text) + " interrupted"), 1) << text;
  EXPECT_EQ(count("B0 length"), 1);
}

TEST_F(SchedulerTest, CancelledTextsEndEarly) {
  Scheduler scheduler(models_, metrics_, 100);
  const auto cancelled = job("A", 2);
  cancelled->max_tokens = 50;
  cancelled->on_token = [&] {
    log_.add("A draws");
    opened_.wait();  // until it is cancelled: not a token more is drawn
    return true;
  };
  scheduler.add(0, cancelled);
  ASSERT_TRUE(log_.wait_for("A draws"));
  scheduler.cancel(cancelled);
  scheduler.add(0, job("B"));
  open_gate();
  EXPECT_TRUE(scheduler.drain(kLong));
  EXPECT_EQ(count("A draws"), 1);
  EXPECT_EQ(count("A0 interrupted"), 1);
  EXPECT_EQ(count("A1 interrupted"), 1);  // never began
  EXPECT_EQ(begun(), (Lines{"A0", "B0"}));
  EXPECT_EQ(count("B0 length"), 1);
}

TEST_F(SchedulerTest, FailuresStayWithTheirText) {
  Scheduler scheduler(models_, metrics_, 100);
  const auto half = job("A", 2);
  half->before = [](int64_t text) {
    if (text == 0) throw std::runtime_error("no request");
  };
  const auto drawing = job("B");
  drawing->on_token = []() -> bool { throw std::runtime_error("no room for tokens"); };
  scheduler.add(0, half);
  scheduler.add(0, drawing);
  scheduler.add(0, job("C"));
  EXPECT_TRUE(scheduler.drain(kLong));
  EXPECT_EQ(count("A0 failed: no request"), 1);
  EXPECT_EQ(count("A1 length"), 1);
  EXPECT_EQ(count("B0 failed: no room for tokens"), 1);
  EXPECT_EQ(count("C0 length"), 1);
}

TEST_F(SchedulerTest, WhatTheBatcherRefusesHasFailed) {
  Scheduler scheduler(models_, metrics_, 100);
  const auto empty = job("A");
  empty->prompt.clear();
  scheduler.add(0, empty);
  EXPECT_TRUE(scheduler.drain(kLong));
  ASSERT_EQ(log_.lines().size(), 2u);
  EXPECT_TRUE(log_.lines()[1].starts_with("A0 failed: ")) << log_.lines()[1];
}

TEST_F(SchedulerTest, DrainingTakesNoMoreJobs) {
  Scheduler scheduler(models_, metrics_, 100);
  EXPECT_TRUE(scheduler.drain(kLong));
  EXPECT_EQ(refused(scheduler, 0, job("A"), 503), "shutting_down");
  EXPECT_TRUE(log_.lines().empty());
}

TEST_F(SchedulerTest, DrainingInterruptsWhatTakesTooLong) {
  Scheduler scheduler(models_, metrics_, 100);
  const auto slow = job("A", 2);
  slow->max_tokens = 50;
  slow->on_token = [] {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    return true;
  };
  scheduler.add(0, slow);
  ASSERT_TRUE(log_.wait_for("A0"));
  EXPECT_FALSE(scheduler.drain(std::chrono::milliseconds(1)));
  EXPECT_EQ(begun(), Lines{"A0"});
  EXPECT_EQ(count("A0 interrupted"), 1);
  EXPECT_EQ(count("A1 interrupted"), 1);
}

TEST_F(SchedulerTest, StopsWhileTextsRun) {
  const auto slow = job("A", 2);
  slow->max_tokens = 50;
  slow->on_token = [] {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    return true;
  };
  {
    Scheduler scheduler(models_, metrics_, 100);
    scheduler.add(0, slow);
    ASSERT_TRUE(log_.wait_for("A0"));
  }
  EXPECT_EQ(log_.lines(), (Lines{"A0"}));
}

}  // namespace
}  // namespace spectra::server
