// SPDX-License-Identifier: Apache-2.0
#include "suite/runner.h"

#include <algorithm>
#include <chrono>
#include <map>
#include <thread>

#include "base/error.h"
#include "base/log.h"
#include "base/progress.h"
#include "base/system.h"
#include "suite/crew.h"
#include "suite/lock.h"
#include "suite/record.h"
#include "suite/results.h"

namespace spectra::suite {
namespace {

constexpr auto kPoll = std::chrono::milliseconds(5);
constexpr auto kPatience = std::chrono::seconds(60);  ///< that processes get to save after an interrupt

class Runner {
 public:
  Runner(const Suite& suite, const Plan& plan, const fs::path& directory, const RunOptions& options, train::Ranks& ranks)
      : suite_(suite),
        plan_(plan),
        directory_(directory),
        options_(options),
        lock_(prepare_directory(suite, directory), !options.job.empty()),
        crew_(plan, directory, options.jobs, ranks) {
    selected_ = select_jobs(plan, options.only);
    hashes_ = input_hashes(plan);
    progress_.states.assign(plan.jobs.size(), State::kWaiting);
    progress_.records.resize(plan.jobs.size());
    progress_.command = options.command;
    std::tie(progress_.started, earlier_seconds_) = earlier_time(directory);
    if (progress_.started.empty()) progress_.started = utc_time();
    read_records();
    if (!options.job.empty()) select_alone();
    tell_of_changes();
  }

  Outcome run() {
    write_results();
    while (!interrupted()) {
      while (crew_.has_room())
        if (const size_t next = next_job(); next != kNoJob)
          start(next);
        else
          break;
      if (crew_.busy() == 0) return outcome();
      std::this_thread::sleep_for(kPoll);
      collect();
    }
    stop();
    throw Error(Exit::kInterrupted, fmt::format("interrupted; {} of {} jobs are done", count(State::kDone), plan_.jobs.size()),
                "the same command continues: " + options_.command);
  }

 private:
  void read_records() {
    for (size_t i = 0; i < plan_.jobs.size(); ++i)
      if (progress_.states[i] == State::kWaiting)
        if (auto record = done_record(directory_, plan_.jobs[i], hashes_[i])) set_done(i, std::move(*record));
  }

  void tell_of_changes() const {
    size_t changed = 0;
    for (size_t i = 0; i < plan_.jobs.size(); ++i)
      if (selected_[i] && progress_.states[i] != State::kDone && was_done(directory_, plan_.jobs[i])) ++changed;
    if (changed > 0) log_info("{} jobs run again, because what they are made from has changed or their output is gone", changed);
  }

  /// --job: nothing else is run, so what it needs must be there.
  void select_alone() {
    const auto named = [&](const Job& job) { return job.name == options_.job; };
    const auto found = std::find_if(plan_.jobs.begin(), plan_.jobs.end(), named);
    if (found == plan_.jobs.end())
      throw Error(Exit::kUsage, fmt::format("no job is named {}", options_.job), "--list shows them all");
    const auto index = static_cast<size_t>(found - plan_.jobs.begin());
    selected_.assign(plan_.jobs.size(), false);
    selected_[index] = true;
    for (const size_t needed : found->after)
      if (progress_.states[needed] != State::kDone && found->kind != JobKind::kReport)
        throw Error(Exit::kFailed, fmt::format("{} needs {}, which is not done", found->name, plan_.jobs[needed].name),
                    "run it first, or the whole suite");
  }

  /// One directory holds one suite: another one's jobs may have the same names.
  static const fs::path& prepare_directory(const Suite& suite, const fs::path& directory) {
    const std::string there = earlier_name(directory);
    if (!there.empty() && there != suite.name)
      throw bad_input(fmt::format("{} holds the suite {}, not {}", directory.string(), there, suite.name), "give another --out");
    if (fs::exists(directory) && !fs::is_empty(directory) && !fs::exists(directory / "jobs"))
      throw bad_input(fmt::format("{} holds something that is not a suite", directory.string()), "give a new directory as --out");
    for (const char* name : {"jobs", "logs", "recipes", "runs", "models", "packed"}) fs::create_directories(directory / name);
    return directory;
  }

  size_t count(State state) const {
    return static_cast<size_t>(std::count(progress_.states.begin(), progress_.states.end(), state));
  }

  void set_done(size_t job, Record record) {
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
      if (selected_[job] && progress_.states[job] == State::kWaiting && ready(job) && (best == kNoJob || rank(job) < rank(best)))
        best = job;
    return best;
  }

  void start(size_t index) {
    const Job& job = plan_.jobs[index];
    if (!job.recipe.empty()) write_file(directory_ / job.arguments[1], job.recipe);
    crew_.start(index, begin_attempt(directory_, job, hashes_[index]));
    started_[index] = utc_time();
    progress_.states[index] = State::kRunning;
    if (job.kind == JobKind::kReport) write_results();
  }

  void collect() {
    for (const Ended& ended : crew_.collect()) finish(ended);
  }

  void finish(const Ended& ended) {
    const Job& job = plan_.jobs[ended.job];
    if (ended.code == static_cast<int>(Exit::kInterrupted) && interrupted()) {
      progress_.states[ended.job] = State::kWaiting;
    } else if (ended.code != 0) {
      progress_.states[ended.job] = State::kFailed;
      error_line(fmt::format("{} ended with exit code {}", job.name, ended.code), "its log: " + log_of(directory_, job).string());
    } else {
      const Record record{hashes_[ended.job], ended.seconds, started_[ended.job], read_file(stdout_of(directory_, job))};
      write_record(directory_, job, record);
      set_done(ended.job, record);
      ++ran_;
      taken_ += ended.seconds, expected_ += options_.seconds[ended.job];
      log_info("[{}/{}] {} in {}{}", count(State::kDone), plan_.jobs.size(), job.name, format_duration(record.seconds),
               remaining());
    }
    write_results();
  }

  /// How long the rest should take: as estimated, corrected by how the estimate fared so far.
  std::string remaining() const {
    double rest = 0;
    for (size_t i = 0; i < plan_.jobs.size(); ++i)
      if (selected_[i] && progress_.states[i] != State::kDone) rest += options_.seconds[i];
    const double slower = expected_ > 0 ? taken_ / expected_ : 1;
    return rest <= 0 ? "" : fmt::format("; about {} left", format_duration(rest * slower / options_.jobs));
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

  void write_results() {
    if (!options_.job.empty()) read_records();  // others of the array have gone on
    progress_.seconds = earlier_seconds_ + time_.seconds();
    write_file(directory_ / "results.json", results_json(suite_, plan_, directory_, progress_));
  }

  Outcome outcome() {
    write_results();
    Outcome result{count(State::kDone), ran_, {}, progress_.seconds};
    for (size_t i = 0; i < plan_.jobs.size(); ++i)
      if (progress_.states[i] == State::kFailed) result.failed.push_back(plan_.jobs[i].name);
    return result;
  }

  const Suite& suite_;
  const Plan& plan_;
  const fs::path directory_;
  const RunOptions& options_;
  Lock lock_;
  Crew crew_;
  Stopwatch time_;
  std::vector<bool> selected_;
  std::vector<std::string> hashes_;
  std::map<size_t, std::string> started_;  ///< UTC
  Progress progress_;
  double earlier_seconds_ = 0;
  double taken_ = 0, expected_ = 0;  ///< seconds of the jobs that ended here
  size_t ran_ = 0;
};

}  // namespace

Outcome run_suite(const Suite& suite, const Plan& plan, const fs::path& directory, const RunOptions& options, train::Ranks& ranks) {
  return Runner(suite, plan, directory, options, ranks).run();
}

std::vector<bool> done_jobs(const Plan& plan, const fs::path& directory) {
  const std::vector<std::string> hashes = input_hashes(plan);
  std::vector<bool> done;
  for (size_t i = 0; i < plan.jobs.size(); ++i) done.push_back(done_record(directory, plan.jobs[i], hashes[i]).has_value());
  return done;
}

}  // namespace spectra::suite
