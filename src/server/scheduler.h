// SPDX-License-Identifier: Apache-2.0
#pragma once
// The thread that runs the models. Requests take turns: each one in the queue gives a text to the batcher, then goes to the end, so
// that one with many texts does not hold up the others.
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "infer/batcher.h"
#include "server/metrics.h"
#include "server/served_model.h"

namespace spectra::server {

/// Texts that belong together. The scheduler's thread calls these methods.
class Job {
 public:
  virtual ~Job() = default;
  virtual int64_t texts() const = 0;
  /// What the batcher is asked for one of the texts. The scheduler sets on_finish.
  virtual infer::Request request(int64_t text) = 0;
  /// Every text ends once, also where it never began. Must not throw.
  virtual void finished(int64_t text, const infer::Finished& how) = 0;
};

class Scheduler {
 public:
  /// At most `max_waiting` texts wait, over all models.
  Scheduler(std::vector<std::unique_ptr<ServedModel>>& models, Metrics& metrics, int64_t max_waiting);
  ~Scheduler();
  Scheduler(const Scheduler&) = delete;
  Scheduler& operator=(const Scheduler&) = delete;

  /// From any thread. Throws ApiError: 429 where too many wait, 503 once drain() was called.
  void add(size_t model, std::shared_ptr<Job> job);
  /// Interrupts the texts of a job that have not ended, before the next forward pass.
  void cancel(const std::shared_ptr<Job>& job);
  /// Takes no more jobs and waits at most `limit` until all have ended; then interrupts those that are left. True where none was.
  bool drain(std::chrono::milliseconds limit);

  Gauges gauges(size_t model) const;

 private:
  struct Entry {
    std::shared_ptr<Job> job;
    int64_t begun = 0;  // texts handed to the batcher
    int64_t ended = 0;
    bool cancelled = false;
    std::vector<int64_t> running = {};  // the batcher's numbers of its texts
  };
  struct Lane {
    ServedModel& model;
    ModelMetrics& metrics;
    std::deque<std::shared_ptr<Entry>> queue;     // jobs with texts to begin; the first has the next turn
    std::vector<std::shared_ptr<Entry>> entries;  // all jobs that have not ended
  };

  void run();
  bool turn(Lane& lane);
  void feed(Lane& lane);
  void begin_next(Lane& lane);
  void end_text(Lane& lane, const std::shared_ptr<Entry>& entry, int64_t text, const infer::Finished& how);
  void drop_cancelled(Lane& lane);
  int64_t waiting(const Lane& lane) const;

  const int64_t max_waiting_;
  mutable std::mutex mutex_;  // guards what follows; not held while a model or a job runs
  std::condition_variable changed_;
  std::deque<Lane> lanes_;
  bool draining_ = false, stopping_ = false, news_ = false;
  std::thread thread_;
};

}  // namespace spectra::server
