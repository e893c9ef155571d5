// SPDX-License-Identifier: Apache-2.0
#include "suite/crew.h"

#include <chrono>
#include <deque>
#include <thread>

#include "base/error.h"
#include "base/log.h"
#include "base/system.h"
#include "suite/process.h"

namespace spectra::suite {
namespace {

constexpr auto kCrewPoll = std::chrono::milliseconds(5);
constexpr int64_t kNoMore = -1;       // no further order, or report, will come
constexpr int64_t kInterrupted = -2;  // as an order: save and end; as a report: this rank was told to by a signal

struct Order {
  int64_t job, resume;
};
struct Report {
  int64_t job, code;
  double seconds;
};

}  // namespace

fs::path stdout_of(const fs::path& directory, const Job& job) { return directory / "logs" / (job.name + ".json"); }
fs::path log_of(const fs::path& directory, const Job& job) { return directory / "logs" / (job.name + ".log"); }

void Hands::start(size_t index, bool resume) {
  const Job& job = plan_.jobs[index];
  std::vector<std::string> arguments = plan_.arguments(job);
  if (resume) arguments.emplace_back("--resume");
  try {
    running_.push_back({index, start_process(directory_, arguments, stdout_of(directory_, job), log_of(directory_, job)), {}});
  } catch (const Error& error) {  // a job that cannot be started is one that failed
    error_line(error.what(), error.hint());
    failed_.push_back({index, kCannotStart, 0});
  }
}

std::vector<Ended> Hands::collect() {
  std::vector<Ended> ended = std::exchange(failed_, {});
  for (size_t i = 0; i < running_.size();) {
    const std::optional<int> code = exit_code(running_[i].process);
    if (!code) {
      ++i;
      continue;
    }
    ended.push_back({running_[i].job, *code, running_[i].time.seconds()});
    running_.erase(running_.begin() + static_cast<std::ptrdiff_t>(i));
  }
  return ended;
}

void Hands::interrupt() {
  for (Running& running : running_)
    if (!std::exchange(running.interrupted, true)) interrupt_process(running.process);
}

/// Another rank: a report is always awaited from it, and orders stay in memory until they are on their way.
struct Crew::Other {
  int rank;
  size_t busy = 0;
  Report report{};
  size_t ticket = 0;
  std::deque<Order> orders;
};

Crew::Crew(const Plan& plan, const fs::path& directory, int slots, ranks::Ranks& ranks)
    : own_(plan, directory), slots_(static_cast<size_t>(slots)), ranks_(ranks) {
  for (int rank = 1; rank < ranks.size(); ++rank) {
    others_.push_back(std::make_unique<Other>());
    Other& other = *others_.back();
    other.rank = rank;
    other.ticket = ranks.receive(rank, &other.report, sizeof(other.report));
  }
}

Crew::~Crew() {
  for (const auto& other : others_) {
    other->orders.push_back({kNoMore, 0});
    ranks_.send(other->rank, &other->orders.back(), sizeof(Order));
  }
  ranks_.wait_all();  // the others answer with a last report
}

size_t Crew::busy() const {
  size_t sum = own_.busy();
  for (const auto& other : others_) sum += other->busy;
  return sum;
}

/// The rank with the fewest jobs, where one has room: 0 = this one, i + 1 = others_[i].
int Crew::emptiest() const {
  int best = kNobody;
  size_t fewest = slots_;
  if (own_.busy() < fewest) best = 0, fewest = own_.busy();
  for (size_t i = 0; i < others_.size(); ++i)
    if (others_[i]->busy < fewest) best = static_cast<int>(i) + 1, fewest = others_[i]->busy;
  return best;
}

void Crew::start(size_t job, bool resume) {
  const int where = emptiest();
  if (where == 0) return own_.start(job, resume);
  Other& other = *others_[static_cast<size_t>(where) - 1];
  other.orders.push_back({static_cast<int64_t>(job), resume ? 1 : 0});
  ranks_.send(other.rank, &other.orders.back(), sizeof(Order));
  ++other.busy;
}

std::vector<Ended> Crew::collect() {
  std::vector<Ended> ended = own_.collect();
  for (const auto& other : others_)
    while (ranks_.progress(other->ticket)) {
      if (other->report.job == kInterrupted) {
        interrupted_ = true;
      } else {
        ended.push_back({static_cast<size_t>(other->report.job), static_cast<int>(other->report.code), other->report.seconds});
        --other->busy;
      }
      other->ticket = ranks_.receive(other->rank, &other->report, sizeof(other->report));
    }
  return ended;
}

void Crew::interrupt() {
  own_.interrupt();
  for (const auto& other : others_) {
    other->orders.push_back({kInterrupted, 0});
    ranks_.send(other->rank, &other->orders.back(), sizeof(Order));
  }
}

void work_for_first(const Plan& plan, const fs::path& directory, ranks::Ranks& ranks) {
  Hands hands(plan, directory);
  std::deque<Report> reports;
  const auto tell = [&](const Report& report) {
    reports.push_back(report);
    ranks.send(0, &reports.back(), sizeof(Report));
  };
  Order order{};
  size_t ticket = ranks.receive(0, &order, sizeof(order));
  for (bool more = true, told = false; more || hands.busy() > 0; std::this_thread::sleep_for(kCrewPoll)) {
    if (interrupted() && !told) {
      hands.interrupt(), told = true;
      tell({kInterrupted, 0, 0});
    }
    for (const Ended& e : hands.collect()) tell({static_cast<int64_t>(e.job), e.code, e.seconds});
    while (more && ranks.progress(ticket)) {
      more = order.job != kNoMore;
      if (!more) break;
      if (order.job == kInterrupted)
        hands.interrupt();
      else
        hands.start(static_cast<size_t>(order.job), order.resume != 0);
      ticket = ranks.receive(0, &order, sizeof(order));
    }
  }
  tell({kNoMore, 0, 0});
  ranks.wait_all();
}

}  // namespace spectra::suite
