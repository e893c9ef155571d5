// SPDX-License-Identifier: Apache-2.0
#include "suite/runner.h"

#include <algorithm>
#include <chrono>
#include <fstream>
#include <map>
#include <memory>
#include <thread>
#include <tuple>

#include "base/error.h"
#include "base/log.h"
#include "base/progress.h"
#include "base/stopwatch.h"
#include "base/system.h"
#include "base/units.h"
#include "suite/crew.h"
#include "suite/directory.h"
#include "suite/lock.h"
#include "suite/process.h"
#include "suite/record.h"
#include "suite/results.h"

namespace spectra::suite {
namespace {

constexpr auto kPoll = std::chrono::milliseconds(5);
constexpr auto kPatience = std::chrono::seconds(60);  ///< that processes get to save after an interrupt

/// What a job that failed said last: its error, else any line.
std::string last_words(const fs::path& log) {
  constexpr std::string_view kError = "error: ";
  std::ifstream in(log);
  std::string last, error;
  for (std::string line; std::getline(in, line);) {
    if (!line.empty()) last = line;
    if (line.starts_with(kError)) error = line.substr(kError.size());
  }
  return (error.empty() ? last : error).substr(0, 200);
}

class Runner {
 public:
  Runner(const Suite& suite, const Plan& plan, const Standing& standing, const fs::path& directory, const RunOptions& options,
         ranks::Ranks& ranks)
      : suite_(suite),
        plan_(plan),
        standing_(standing),
        directory_(directory),
        options_(options),
        lock_((make_suite_directory(suite, directory), directory / "jobs/lock"),
              fmt::format("another suite runs in {}", directory.string()), options.alone),
        crew_(plan, directory, options.jobs, ranks) {
    progress_.states.assign(plan.jobs.size(), State::kWaiting);
    progress_.records.resize(plan.jobs.size());
    progress_.command = options.command;
    std::tie(progress_.started, earlier_seconds_) = earlier_time(directory);
    if (progress_.started.empty()) progress_.started = utc_time();
    read_records();
    if (options.alone) require_needs();
    tell_of_changes();
  }

  Outcome run() {
    try {
      if (work()) return outcome();
    } catch (...) {
      stop();  // a full disk must not cost the trainings their last checkpoint
      throw;
    }
    stop();
    throw Error(Exit::kInterrupted, fmt::format("interrupted; {} of {} jobs are done", count(State::kDone), plan_.jobs.size()),
                "the same command continues: " + options_.command);
  }

 private:
  /// False where a signal came first.
  bool work() {
    write_results();
    while (!interrupted() && !crew_.interrupted()) {
      while (crew_.has_room())
        if (const size_t next = next_job(); next != kNoJob)
          start(next);
        else
          break;
      if (crew_.busy() == 0) return true;
      std::this_thread::sleep_for(kPoll);
      collect();
    }
    return false;
  }

  std::vector<bool> done() const {
    std::vector<bool> list;
    for (const State state : progress_.states) list.push_back(state == State::kDone);
    return list;
  }

  std::string hash_of(size_t job) const {
    return plan_.jobs[job].kind == JobKind::kReport ? hash_of_page(suite_, standing_.hashes, done()) : standing_.hashes[job];
  }

  /// The page comes last in the plan: by then it is known what is done.
  void read_records() {
    for (size_t i = 0; i < plan_.jobs.size(); ++i)
      if (progress_.states[i] == State::kWaiting)
        if (auto record = done_record(directory_, plan_.jobs[i], hash_of(i))) set_done(i, std::move(*record));
  }

  void tell_of_changes() const {
    std::vector<std::string> changed;
    for (size_t i = 0; i < plan_.jobs.size(); ++i)
      if (standing_.selected[i] && progress_.states[i] != State::kDone && plan_.jobs[i].kind != JobKind::kReport &&
          was_done(directory_, plan_.jobs[i]))
        changed.push_back(plan_.jobs[i].name);
    if (changed.empty()) return;
    log_info("{} jobs run again, because what they are made from has changed or their output is gone: {}{}", changed.size(),
             changed[0], changed.size() > 1 ? ", ..." : "");
    log_info("what they made before is kept beside it as NAME.old-HASH");
  }

  /// Nothing else is run, so what a job needs must be there.
  void require_needs() const {
    for (size_t i = 0; i < plan_.jobs.size(); ++i)
      if (standing_.selected[i] && plan_.jobs[i].kind != JobKind::kReport)
        for (const size_t needed : plan_.jobs[i].after)
          if (progress_.states[needed] != State::kDone)
            throw Error(Exit::kFailed, fmt::format("{} needs {}, which is not done", plan_.jobs[i].name, plan_.jobs[needed].name),
                        "run it first, or the whole suite");
  }

  size_t count(State state) const {
    return static_cast<size_t>(std::count(progress_.states.begin(), progress_.states.end(), state));
  }

  void set_done(size_t job, Record record) {
    State& page = progress_.states.back();
    if (page == State::kDone) page = State::kWaiting;  // it does not show this
    progress_.states[job] = State::kDone;
    progress_.records[job] = std::move(record);
    for (const PlannedModel& m : plan_.models)
      if (m.made_by == job && !m.run.empty())
        if (const auto loss = training_loss(directory_ / m.run / "log.jsonl")) progress_.training_losses[m.name] = *loss;
  }

  /// The page shows what there is: it waits for all others to end, in whatever way.
  bool ready(size_t job) const {
    const auto state_of = [&](size_t needed) { return progress_.states[needed]; };
    const std::vector<size_t>& after = plan_.jobs[job].after;
    if (plan_.jobs[job].kind == JobKind::kReport)
      return crew_.busy() == 0 && std::any_of(after.begin(), after.end(), [&](size_t n) { return state_of(n) == State::kDone; });
    return std::all_of(after.begin(), after.end(), [&](size_t n) { return state_of(n) == State::kDone; });
  }

  /// Short jobs first, so that results come early; of the trainings the longest, so that the end is not one long tail.
  size_t next_job() const {
    size_t best = kNoJob;
    const auto rank = [&](size_t job) {
      const JobKind kind = plan_.jobs[job].kind;
      return std::make_tuple(kind == JobKind::kReport ? 2 : kind == JobKind::kTrain ? 1 : 0, -options_.seconds[job]);
    };
    for (size_t job = 0; job < plan_.jobs.size(); ++job)
      if (standing_.selected[job] && progress_.states[job] == State::kWaiting && ready(job) &&
          (best == kNoJob || rank(job) < rank(best)))
        best = job;
    return best;
  }

  /// A job that cannot begin has failed; the others go on.
  void start(size_t index) {
    try {
      begin(index);
    } catch (const Error& error) {
      if (options_.alone) throw;
      locks_.erase(index);
      progress_.states[index] = State::kFailed;
      error_line(fmt::format("{}: {}", plan_.jobs[index].name, error.what()), error.hint());
    }
  }

  void begin(size_t index) {
    const Job& job = plan_.jobs[index];
    const std::string inputs = hash_of(index);
    locks_[index] = std::make_unique<Lock>(directory_ / "jobs" / (job.name + ".lock"), job.name + " is run by another process");
    const Attempt attempt = begin_attempt(directory_, job, inputs);
    if (attempt == Attempt::kDone) {
      log_info("{} is back: it was made from the same before", job.name);
      locks_.erase(index);
      return set_done(index, *done_record(directory_, job, inputs));
    }
    if (!job.recipe.empty()) write_file(directory_ / job.arguments[1], job.recipe);
    started_[index] = {utc_time(), inputs};
    progress_.states[index] = State::kRunning;
    if (job.kind == JobKind::kReport) write_results();
    crew_.start(index, attempt == Attempt::kContinued);
  }

  void collect() {
    for (const Ended& ended : crew_.collect()) finish(ended);
  }

  void finish(const Ended& ended) {
    const Job& job = plan_.jobs[ended.job];
    locks_.erase(ended.job);
    if (ended.code == static_cast<int>(Exit::kInterrupted) && (interrupted() || crew_.interrupted())) {
      progress_.states[ended.job] = State::kWaiting;
    } else if (ended.code != 0) {
      fail(job, ended, how_it_ended(ended.code));
    } else if (const std::string result = read_file(stdout_of(directory_, job)); result.empty() || result[0] != '{') {
      fail(job, ended, "ended well, but its result is lost: is the disk full?");
    } else {
      const auto& [started, inputs] = started_.at(ended.job);
      const Record record{inputs, ended.seconds, started, result};
      try {
        write_record(directory_, job, record);
      } catch (const Error& error) {
        return fail(job, ended, fmt::format("ended well, but {}", error.what()));
      }
      set_done(ended.job, record);
      ++ran_;
      if (job.flops > 0) taken_ += ended.seconds, expected_ += options_.seconds[ended.job];
      log_info("[{}/{}] {} in {}{}", count(State::kDone), plan_.jobs.size(), job.name, format_duration(record.seconds),
               remaining());
    }
    write_results();
  }

  void fail(const Job& job, const Ended& ended, const std::string& how) {
    progress_.states[ended.job] = State::kFailed;
    const fs::path log = log_of(directory_, job);
    const std::string said = last_words(log);
    error_line(fmt::format("{} {}{}", job.name, how, said.empty() ? "" : ": " + said), "its log: " + log.string());
  }

  /// How long the rest should take: as estimated, corrected by how the estimate fared so far.
  std::string remaining() const {
    double rest = 0;
    for (size_t i = 0; i < plan_.jobs.size(); ++i)
      if (standing_.selected[i] && progress_.states[i] != State::kDone) rest += options_.seconds[i];
    const double slower = expected_ > 0 ? taken_ / expected_ : 1;
    return rest <= 0 ? "" : fmt::format("; about {} left", format_duration(rest * slower / static_cast<double>(crew_.slots())));
  }

  void stop() {
    crew_.interrupt();
    const auto end = std::chrono::steady_clock::now() + kPatience;
    while (crew_.busy() > 0 && std::chrono::steady_clock::now() < end) {
      std::this_thread::sleep_for(kPoll);
      collect();
    }
    write_results();
  }

  /// Records are what a suite continues from: it goes on where this file cannot be written.
  void write_results() {
    if (options_.alone) read_records();  // others of the array have gone on
    progress_.seconds = earlier_seconds_ + time_.seconds();
    try {
      write_file(directory_ / "results.json", results_json(suite_, plan_, directory_, progress_));
    } catch (const Error& error) {
      log_warning("{}", error.what());
    }
  }

  Outcome outcome() {
    write_results();
    Outcome result{count(State::kDone), ran_, 0, {}, progress_.seconds};
    for (size_t i = 0; i < plan_.jobs.size(); ++i) {
      if (progress_.states[i] == State::kFailed) result.failed.push_back(plan_.jobs[i].name);
      if (standing_.selected[i] && progress_.states[i] == State::kWaiting) ++result.blocked;
    }
    return result;
  }

  const Suite& suite_;
  const Plan& plan_;
  const Standing& standing_;
  const fs::path directory_;
  const RunOptions& options_;
  Lock lock_;
  Crew crew_;
  Stopwatch time_;
  std::map<size_t, std::pair<std::string, std::string>> started_;  ///< when (UTC), and the hash of what from
  std::map<size_t, std::unique_ptr<Lock>> locks_;                  ///< of jobs that run
  Progress progress_;
  double earlier_seconds_ = 0;
  double taken_ = 0, expected_ = 0;  ///< seconds of the jobs that ended here
  size_t ran_ = 0;
};

}  // namespace

Standing standing_of(const Suite& suite, const Plan& plan, const fs::path& directory, const std::string& only,
                     const std::string& job) {
  Standing standing{input_hashes(plan), {}, select_jobs(plan, only)};
  for (size_t i = 0; i < plan.jobs.size(); ++i) {
    const bool page = plan.jobs[i].kind == JobKind::kReport;
    standing.done.resize(plan.jobs.size());
    const std::string inputs = page ? hash_of_page(suite, standing.hashes, standing.done) : standing.hashes[i];
    standing.done[i] = done_record(directory, plan.jobs[i], inputs).has_value();
  }
  if (job.empty()) return standing;
  const auto found = std::find_if(plan.jobs.begin(), plan.jobs.end(), [&](const Job& j) { return j.name == job; });
  if (found == plan.jobs.end()) throw Error(Exit::kUsage, fmt::format("no job is named {}", job), "--list shows them all");
  standing.selected.assign(plan.jobs.size(), false);
  standing.selected[static_cast<size_t>(found - plan.jobs.begin())] = true;
  return standing;
}

Outcome run_suite(const Suite& suite, const Plan& plan, const Standing& standing, const fs::path& directory,
                  const RunOptions& options, ranks::Ranks& ranks) {
  return Runner(suite, plan, standing, directory, options, ranks).run();
}

}  // namespace spectra::suite
