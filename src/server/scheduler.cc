// SPDX-License-Identifier: Apache-2.0
#include "server/scheduler.h"

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "server/api_error.h"

namespace spectra::server {

using infer::Finished;
using infer::FinishReason;

Scheduler::Scheduler(std::vector<std::unique_ptr<ServedModel>>& models, Metrics& metrics, int64_t max_waiting)
    : max_waiting_(max_waiting) {
  for (auto& model : models) lanes_.push_back({*model, metrics.of(model->name), {}, {}});
  thread_ = std::thread([this] { run(); });
}

Scheduler::~Scheduler() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    changed_.notify_all();
  }
  thread_.join();
}

int64_t Scheduler::waiting(const Lane& lane) const {
  int64_t texts = 0;
  for (const auto& entry : lane.queue) texts += entry->job->texts() - entry->begun;
  return texts;
}

void Scheduler::add(size_t model, std::shared_ptr<Job> job) {
  const std::lock_guard lock(mutex_);
  if (draining_) throw ApiError(503, "the server is shutting down", "", "shutting_down");
  int64_t texts = 0;
  for (const Lane& lane : lanes_) texts += waiting(lane);
  if (texts > 0 && texts + job->texts() > max_waiting_)
    throw ApiError(429, fmt::format("{} texts wait already; at most {} may", texts, max_waiting_), "", "queue_full");
  auto entry = std::make_shared<Entry>(Entry{std::move(job)});
  lanes_[model].queue.push_back(entry);
  lanes_[model].entries.push_back(std::move(entry));
  news_ = true;
  changed_.notify_all();
}

void Scheduler::cancel(const std::shared_ptr<Job>& job) {
  const std::lock_guard lock(mutex_);
  for (Lane& lane : lanes_)
    for (const auto& entry : lane.entries)
      if (entry->job == job) entry->cancelled = true;
  news_ = true;
  changed_.notify_all();
}

bool Scheduler::drain(std::chrono::milliseconds limit) {
  std::unique_lock lock(mutex_);
  draining_ = true;
  const auto idle = [this] { return std::all_of(lanes_.begin(), lanes_.end(), [](const Lane& l) { return l.entries.empty(); }); };
  const bool finished = changed_.wait_for(lock, limit, idle);
  for (Lane& lane : lanes_)
    for (const auto& entry : lane.entries) entry->cancelled = true;
  news_ = true;
  changed_.notify_all();
  changed_.wait_for(lock, std::chrono::seconds(10), idle);
  return finished;
}

Gauges Scheduler::gauges(size_t model) const {
  const std::lock_guard lock(mutex_);
  const Lane& lane = lanes_[model];
  const infer::Batcher::Stats s = lane.model.batcher.stats();
  return {.running = s.running,
          .waiting = s.waiting + waiting(lane),
          .kv_pages = s.pages,
          .kv_pages_used = s.pages - s.free_pages,
          .computed_tokens = s.computed_tokens,
          .reused_tokens = s.reused_tokens,
          .preempted = s.preempted};
}

void Scheduler::run() {
  for (;;) {
    bool worked = false;
    for (Lane& lane : lanes_) worked = turn(lane) || worked;
    std::unique_lock lock(mutex_);
    if (!worked) changed_.wait(lock, [this] { return news_ || stopping_; });
    news_ = false;
    if (stopping_) return;
  }
}

/// Runs one forward pass of a model. False where there was nothing to do.
bool Scheduler::turn(Lane& lane) {
  drop_cancelled(lane);
  feed(lane);
  const bool worked = lane.model.batcher.step();
  if (worked) lane.metrics.step(lane.model.batcher.stats().step_texts);
  return worked;
}

void Scheduler::drop_cancelled(Lane& lane) {
  std::vector<std::shared_ptr<Entry>> dropped;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& entry : lane.entries) {
      if (!entry->cancelled) continue;
      for (const int64_t id : std::exchange(entry->running, {})) lane.model.batcher.cancel(id);
      const auto place = std::find(lane.queue.begin(), lane.queue.end(), entry);
      if (place == lane.queue.end()) continue;
      lane.queue.erase(place);
      dropped.push_back(entry);
    }
  }
  for (const auto& entry : dropped)
    for (int64_t text = entry->begun; text < entry->job->texts(); ++text)
      end_text(lane, entry, text, {FinishReason::kInterrupted, nullptr});
}

/// Gives the batcher as many texts as it may run, so that all others wait here, where jobs take turns.
void Scheduler::feed(Lane& lane) {
  for (;;) {
    const infer::Batcher::Stats s = lane.model.batcher.stats();
    if (s.running + s.waiting >= lane.model.max_running) return;
    {
      const std::lock_guard lock(mutex_);
      if (lane.queue.empty()) return;
    }
    begin_next(lane);
  }
}

void Scheduler::begin_next(Lane& lane) {
  std::shared_ptr<Entry> entry;
  int64_t text = 0;
  {
    const std::lock_guard lock(mutex_);
    entry = lane.queue.front();
    lane.queue.pop_front();
    text = entry->begun++;
    if (entry->begun < entry->job->texts()) lane.queue.push_back(entry);
  }
  try {
    infer::Request request = entry->job->request(text);
    request.on_finish = [this, &lane, entry, text](const Finished& how) { end_text(lane, entry, text, how); };
    const int64_t id = lane.model.batcher.submit(std::move(request));
    const std::lock_guard lock(mutex_);
    entry->running.push_back(id);
  } catch (...) {
    end_text(lane, entry, text, {FinishReason::kFailed, std::current_exception()});
  }
}

void Scheduler::end_text(Lane& lane, const std::shared_ptr<Entry>& entry, int64_t text, const Finished& how) {
  entry->job->finished(text, how);
  const std::lock_guard lock(mutex_);
  news_ = true;  // there is room for another text, also where this one ended without a forward pass
  if (++entry->ended < entry->job->texts()) return;
  std::erase(lane.entries, entry);
  changed_.notify_all();
}

}  // namespace spectra::server
