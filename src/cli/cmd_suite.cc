// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>
#include <numeric>

#include "base/error.h"
#include "base/log.h"
#include "base/progress.h"
#include "base/system.h"
#include "cli/command.h"
#include "suite/crew.h"
#include "suite/estimate.h"
#include "suite/runner.h"
#include "suite/slurm.h"

namespace spectra::cli {
namespace {

using nlohmann::ordered_json;

struct Options {
  std::string file, out, only, job, emit;
  std::vector<std::string> settings;
  int64_t jobs = 0;
  double gflops = 0;
  bool quick = false, dry_run = false, list = false;
};

std::string quoted(const std::string& word) {
  return word.find_first_of(" '\"$&|;<>()*?[]\\") == std::string::npos ? word : "'" + word + "'";
}

std::string command_line(const Options& options) {
  std::string line = "spectra suite " + quoted(options.file);
  for (const std::string& setting : options.settings) line += " --set " + quoted(setting);
  if (options.quick) line += " --quick";
  if (options.jobs > 0) line += fmt::format(" --jobs {}", options.jobs);
  if (!options.only.empty()) line += " --only " + quoted(options.only);
  return line + " --out " + quoted(options.out);
}

/// Side by side: as many as there are cores for, and memory.
int jobs_of(const Options& options, const suite::Plan& plan) {
  if (options.jobs < 0)
    throw Error(Exit::kUsage, fmt::format("--jobs {} is out of range", options.jobs), "1 or more; 0 = by cores and memory");
  if (options.jobs > 0) return static_cast<int>(options.jobs);
  uint64_t largest = 1;
  for (const suite::Job& job : plan.jobs) largest = std::max(largest, job.memory_bytes);
  const auto fit = static_cast<int>(std::min<uint64_t>(memory_available() / largest, 4096));
  return std::max(1, std::min(cpu_count() / plan.threads, fit));
}

struct Totals {
  double flops, seconds;
  uint64_t disk_bytes, memory_bytes;
};

Totals totals_of(const suite::Plan& plan, const std::vector<double>& seconds, int jobs) {
  Totals totals{plan.flops(), std::accumulate(seconds.begin(), seconds.end(), 0.0) / jobs, plan.disk_bytes(), 0};
  for (const suite::Job& job : plan.jobs) totals.memory_bytes = std::max(totals.memory_bytes, job.memory_bytes);
  return totals;
}

void list(const suite::Plan& plan, const std::string& out) {
  const std::vector<bool> done = suite::done_jobs(plan, out);
  ordered_json jobs = ordered_json::array();
  for (size_t i = 0; i < plan.jobs.size(); ++i) {
    jobs.push_back({{"name", plan.jobs[i].name}, {"kind", job_kind_name(plan.jobs[i].kind)}, {"done", bool{done[i]}}});
    if (!global().json) fmt::print("{:<8} {}\n", done[i] ? "done" : "waiting", plan.jobs[i].name);
  }
  if (global().json) print_json(ordered_json{{"schema", "spectra.suite_jobs/1"}, {"jobs", jobs}}.dump());
}

ordered_json counts_of(const suite::Plan& plan) {
  ordered_json counts;
  for (const suite::JobKind kind : suite::kJobKinds)
    counts[job_kind_name(kind)] =
        std::count_if(plan.jobs.begin(), plan.jobs.end(), [&](const suite::Job& job) { return job.kind == kind; });
  return counts;
}

void show_plan(const Options& options, const suite::Suite& suite, const suite::Plan& plan, const Totals& totals, int jobs) {
  if (global().json && options.dry_run)
    return print_json(ordered_json{{"schema", "spectra.suite_plan/1"},
                                   {"name", suite.name},
                                   {"models", plan.models.size()},
                                   {"jobs", counts_of(plan)},
                                   {"side_by_side", jobs},
                                   {"threads", plan.threads},
                                   {"flops", totals.flops},
                                   {"seconds", totals.seconds},
                                   {"disk_bytes", totals.disk_bytes},
                                   {"memory_bytes", totals.memory_bytes}}
                          .dump());
  std::string counts;
  const ordered_json of_kind = counts_of(plan);
  for (const auto& [kind, count] : of_kind.items())
    counts += fmt::format("{}{} {}", counts.empty() ? "" : ", ", count.get<int>(), kind);
  const std::string text = fmt::format(
      "models   {}\njobs     {} ({})\nrun      {} side by side, {} threads each\nFLOPs    {:.3g}\ntime     about {}\ndisk     "
      "{}\nmemory   {} "
      "for the largest job\n",
      plan.models.size(), plan.jobs.size(), counts, jobs, plan.threads, totals.flops, format_duration(totals.seconds),
      format_bytes(totals.disk_bytes), format_bytes(totals.memory_bytes));
  if (options.dry_run)
    fmt::print("{}", text);
  else
    log_info("{}", text.substr(0, text.size() - 1));
}

void emit_slurm(const Options& options, const suite::Suite& suite, const suite::Plan& plan) {
  std::vector<std::string> command = {fs::read_symlink("/proc/self/exe").string(), "suite", options.file, "--out", options.out};
  for (const std::string& setting : options.settings) command.insert(command.end(), {"--set", setting});
  if (options.quick) command.emplace_back("--quick");
  const fs::path out = fs::absolute(options.out).lexically_normal(), folder = out / "slurm";
  fs::create_directories(folder);
  fs::create_directories(out / "logs");
  fs::create_directories(out / "jobs");
  std::vector<std::string> files;
  for (const auto& [name, text] : suite::slurm_scripts(suite, plan, command, fs::current_path(), out / "logs")) {
    files.push_back((folder / name).string());
    write_file(files.back(), text);
    fs::permissions(files.back(), fs::perms::owner_exec, fs::perm_options::add);
  }
  if (global().json) return print_json(ordered_json{{"schema", "spectra.suite_scripts/1"}, {"files", files}}.dump());
  for (const std::string& file : files) fmt::print("{}\n", file);
}

void print_outcome(const Options& options, const suite::Plan& plan, const suite::Outcome& outcome) {
  const std::string results = (fs::path(options.out) / "results.json").string();
  if (global().json)
    print_json(ordered_json{{"schema", "spectra.suite_run/1"},
                            {"out", options.out},
                            {"results", results},
                            {"jobs", plan.jobs.size()},
                            {"done", outcome.done},
                            {"ran", outcome.ran},
                            {"failed", outcome.failed},
                            {"seconds", outcome.seconds}}
                   .dump());
  else
    fmt::print("{} of {} jobs are done, {} of them now; results in {}\n", outcome.done, plan.jobs.size(), outcome.ran, results);
  if (outcome.failed.empty()) return;
  const fs::path log = fs::path(options.out) / "logs" / (outcome.failed[0] + ".log");
  throw Error(Exit::kFailed, fmt::format("{} jobs failed: {}", outcome.failed.size(), fmt::join(outcome.failed, ", ")),
              fmt::format("see {}; the same command tries them again: {}", log.string(), command_line(options)));
}

void run_on(train::Ranks& ranks, const Options& options) {
  suite::Suite suite = suite::load_suite(options.file, options.settings);
  if (options.quick) suite.name += "-quick", suite.title += " (quick)";  // not to be mixed with the whole one
  const suite::Plan plan = suite::make_plan(suite, options.quick);
  if (options.gflops < 0) throw Error(Exit::kUsage, fmt::format("--gflops {} is below 0", options.gflops), "give a measured speed");
  if (!options.dry_run) suite::require_inputs(suite, plan);
  if (!ranks.first())
    return options.dry_run || options.list || !options.emit.empty() ? void() : suite::work_for_first(plan, options.out, ranks);
  for (const fs::path& missing : plan.missing) log_warning("there is no {}: planned without it", missing.string());
  if (options.list) return list(plan, options.out);
  if (!options.emit.empty()) return emit_slurm(options, suite, plan);
  const int jobs = jobs_of(options, plan);
  const std::vector<double> seconds =
      options.job.empty() ? suite::expected_seconds(plan, options.gflops) : std::vector<double>(plan.jobs.size(), 0);
  const Totals totals = totals_of(plan, seconds, jobs);
  if (options.job.empty()) show_plan(options, suite, plan, totals, jobs);
  if (options.dry_run) return;
  if (options.job.empty()) require_disk(totals.disk_bytes, options.out, "the suite");
  require_memory(totals.memory_bytes, "the largest training", "lower train.micro_batch, or leave out the largest sizes");
  const suite::RunOptions run_options{jobs, options.only, options.job, command_line(options), seconds};
  print_outcome(options, plan, suite::run_suite(suite, plan, options.out, run_options, ranks));
}

/// Whatever ends one rank must end all: the others would wait for it for ever.
void run(const Options& options) {
  const std::unique_ptr<train::Ranks> ranks = train::join_ranks();
  if (!ranks->first()) set_quiet(true);
  try {
    run_on(*ranks, options);
  } catch (const Error& error) {
    ranks->abandon(error);
    if (ranks->first()) throw;
  } catch (const std::exception& error) {
    ranks->abandon(Error(Exit::kFailed, error.what()));
    throw;
  }
}

}  // namespace

Command make_suite() {
  static Options options;
  return {"suite",
          "train, quantize, pack and evaluate families of models, and make the page that compares them, from one file",
          {{"SUITE", "the suite, a TOML file", &options.file, true},
           {"-o,--out", "directory of the suite; the same command continues what is in it", &options.out, true},
           {"--dry-run", "show jobs, FLOPs, time and disk, and run nothing", &options.dry_run},
           {"--quick", "only the sizes, and with the settings, of the suite's [quick]", &options.quick},
           {"--jobs", "jobs side by side; 0 = by cores and memory", &options.jobs},
           {"--only", "jobs whose name fits this pattern (* ? [ ]), and all that they need", &options.only},
           {"--list", "list the jobs and which are done, and run nothing", &options.list},
           {"--job", "run one job alone, whose needs are done: an element of a cluster's array", &options.job, false, true},
           {"--emit",
            "write scripts that run the suite on a cluster, into OUT/slurm, and run nothing",
            &options.emit,
            false,
            false,
            {"slurm"}},
           {"--gflops", "1e9 FLOP/s that a training reaches, for the expected time; 0 = measure for some seconds", &options.gflops},
           {"--set", "one setting of the suite's file, key=value; may be repeated", &options.settings}},
          [] { run(options); },
          {"spectra suite suites/nano.toml --out study", "spectra suite suites/nano.toml --out study --quick",
           "mpirun -n 4 spectra suite suites/nano.toml --out study", "spectra suite suites/spectra.toml --out study --dry-run"}};
}

}  // namespace spectra::cli
