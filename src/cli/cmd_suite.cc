// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/log.h"
#include "base/shell.h"
#include "base/system.h"
#include "base/units.h"
#include "cli/command.h"
#include "suite/crew.h"
#include "suite/directory.h"
#include "suite/estimate.h"
#include "suite/runner.h"
#include "suite/slurm.h"

namespace spectra::cli {
namespace {

using nlohmann::ordered_json;

struct SuiteOptions {
  std::string file, out, only, job, emit;
  std::vector<std::string> settings;
  int64_t jobs = 0;
  double gflops = 0;
  bool quick = false, dry_run = false, list = false;
};

std::string command_line(const SuiteOptions& options) {
  std::vector<std::string> words = {"spectra", "suite", options.file, "--out", options.out};
  for (const std::string& setting : options.settings) words.insert(words.end(), {"--set", setting});
  if (options.quick) words.emplace_back("--quick");
  if (options.jobs > 0) words.insert(words.end(), {"--jobs", fmt::format("{}", options.jobs)});
  if (options.gflops > 0) words.insert(words.end(), {"--gflops", fmt::format("{}", options.gflops)});
  if (!options.only.empty()) words.insert(words.end(), {"--only", options.only});
  if (!options.job.empty()) words.insert(words.end(), {"--job", options.job});
  return shell_words(words);
}

/// What the jobs that are wanted and not done yet add up to.
struct Totals {
  int jobs;  ///< side by side on each rank
  double flops = 0, seconds = 0;
  uint64_t disk_bytes = 0, memory_bytes = 0;
  size_t left = 0;
};

Totals totals_of(const suite::Plan& plan, const suite::Standing& standing) {
  Totals totals{1};
  for (size_t i = 0; i < plan.jobs.size(); ++i) {
    if (!standing.left(i)) continue;
    const suite::Job& job = plan.jobs[i];
    totals.flops += job.flops, totals.disk_bytes += job.disk_bytes, ++totals.left;
    totals.memory_bytes = std::max(totals.memory_bytes, job.memory_bytes);
  }
  return totals;
}

/// How many jobs run side by side on each rank: as many as there are cores and memory for, which the ranks of a host share.
int jobs_of(const SuiteOptions& options, const suite::Plan& plan, const Totals& totals, const ranks::Ranks& ranks) {
  constexpr int64_t kMost = 4096;
  if (options.jobs < 0 || options.jobs > kMost)
    throw Error(Exit::kUsage, fmt::format("--jobs {} is out of range", options.jobs),
                fmt::format("1 to {}; 0 = by cores and memory", kMost));
  if (options.jobs > 0) return static_cast<int>(options.jobs);
  const auto fit = static_cast<int>(
      std::min<uint64_t>(memory_available() / std::max<uint64_t>(totals.memory_bytes, 1), static_cast<uint64_t>(kMost)));
  return std::max(1, std::min(cpu_count() / plan.threads, fit) / ranks.here());
}

void list(const suite::Plan& plan, const suite::Standing& standing) {
  ordered_json jobs = ordered_json::array();
  for (size_t i = 0; i < plan.jobs.size(); ++i) {
    const bool done = standing.done[i];
    jobs.push_back({{"name", plan.jobs[i].name}, {"kind", job_kind_name(plan.jobs[i].kind)}, {"done", done}});
    if (!global().json) fmt::print("{:<8} {}\n", done ? "done" : "waiting", plan.jobs[i].name);
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

void show_plan(const SuiteOptions& options, const suite::Suite& suite, const suite::Plan& plan, const Totals& totals) {
  if (global().json && options.dry_run)
    return print_json(ordered_json{{"schema", "spectra.suite_plan/1"},
                                   {"name", suite.name},
                                   {"models", plan.models.size()},
                                   {"jobs", counts_of(plan)},
                                   {"left", totals.left},
                                   {"side_by_side", totals.jobs},
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
  std::string text = fmt::format("models   {}\njobs     {} ({})\n", plan.models.size(), plan.jobs.size(), counts);
  if (totals.left < plan.jobs.size()) text += fmt::format("to do    {} of them\n", totals.left);
  text += fmt::format("run      {} side by side, {} threads each\nFLOPs    {:.3g}\ntime     about {}\ndisk     {}\n", totals.jobs,
                      plan.threads, totals.flops, format_duration(totals.seconds), format_bytes(totals.disk_bytes));
  text += fmt::format("memory   {} for the largest job\n", format_bytes(totals.memory_bytes));
  if (options.dry_run)
    fmt::print("{}", text);
  else
    log_info("{}", text.substr(0, text.size() - 1));
}

void emit_slurm(const SuiteOptions& options, const suite::Suite& suite, const suite::Plan& plan, const suite::Standing& standing) {
  std::vector<std::string> command = {fs::read_symlink("/proc/self/exe").string(), "suite", options.file, "--out", options.out};
  for (const std::string& setting : options.settings) command.insert(command.end(), {"--set", setting});
  if (options.quick) command.emplace_back("--quick");
  const fs::path out = fs::absolute(options.out).lexically_normal(), folder = out / "slurm";
  suite::make_suite_directory(suite, out);
  fs::create_directories(folder);
  std::vector<std::string> files;
  for (const auto& [name, text] :
       suite::slurm_scripts(suite, plan, standing.selected, {command, fs::current_path(), out / "logs"})) {
    files.push_back((folder / name).string());
    write_file(files.back(), text);
    fs::permissions(files.back(), fs::perms::owner_exec, fs::perm_options::add);
  }
  if (global().json) return print_json(ordered_json{{"schema", "spectra.suite_scripts/1"}, {"files", files}}.dump());
  for (const std::string& file : files) fmt::print("{}\n", file);
}

void print_outcome(const SuiteOptions& options, const suite::Plan& plan, const suite::Outcome& outcome) {
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
  if (outcome.failed.empty() && outcome.blocked > 0)
    throw Error(Exit::kFailed, fmt::format("{} jobs wait for others that are not done", outcome.blocked),
                "run the whole suite, without --only");
  if (outcome.failed.empty()) return;
  const fs::path log = fs::path(options.out) / "logs" / (outcome.failed[0] + ".log");
  throw Error(Exit::kFailed, fmt::format("{} jobs failed: {}", outcome.failed.size(), fmt::join(outcome.failed, ", ")),
              fmt::format("see {}; the same command tries them again: {}", log.string(), command_line(options)));
}

void run_on(ranks::Ranks& ranks, const SuiteOptions& options) {
  suite::Suite suite = suite::load_suite(options.file, options.settings);
  if (options.quick) suite.name += "-quick", suite.title += " (quick)";  // so that nobody takes it for the whole suite
  const suite::Plan plan = suite::make_plan(suite, options.quick);
  if (options.gflops < 0) throw Error(Exit::kUsage, fmt::format("--gflops {} is below 0", options.gflops), "give a measured speed");
  if (!options.dry_run) suite::require_inputs(suite, plan);
  const bool runs = !options.dry_run && !options.list && options.emit.empty();
  if (!ranks.first()) return runs ? suite::work_for_first(plan, options.out, ranks) : void();
  for (const suite::Missing& missing : plan.missing)
    log_warning("{}: there is no {}: planned without it", missing.origin, missing.path.string());
  suite::check_suite_directory(suite, options.out);
  const suite::Standing standing = suite::standing_of(suite, plan, options.out, options.only, options.job);
  if (options.list) return list(plan, standing);
  if (!options.emit.empty()) return emit_slurm(options, suite, plan, standing);
  Totals totals = totals_of(plan, standing);
  totals.jobs = jobs_of(options, plan, totals, ranks);
  const bool alone = !options.job.empty();
  const std::vector<double> seconds =
      alone ? std::vector<double>(plan.jobs.size(), 0) : suite::expected_seconds(plan, standing, options.gflops);
  for (size_t i = 0; i < seconds.size(); ++i)
    if (standing.left(i)) totals.seconds += seconds[i] / (totals.jobs * ranks.size());
  if (!alone) show_plan(options, suite, plan, totals);
  if (options.dry_run) return;
  require_disk(totals.disk_bytes, options.out, "the suite");
  require_memory(totals.memory_bytes, "the largest job", "lower train.micro_batch, or leave out the largest sizes");
  print_outcome(options, plan,
                suite::run_suite(suite, plan, standing, options.out, {totals.jobs, alone, command_line(options), seconds}, ranks));
}

/// Whatever ends one rank must end all: the others would wait for it for ever.
void run_suite(const SuiteOptions& options) {
  const std::unique_ptr<ranks::Ranks> ranks = ranks::join_ranks();
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
  const auto a = std::make_shared<SuiteOptions>();
  return {
      .name = "suite",
      .summary = "train, quantize, pack and evaluate families of models, and make the page that compares them, from one file",
      .options = {{.name = "SUITE", .help = "the suite, a TOML file", .target = &a->file, .required = true},
                  {.name = "-o,--out",
                   .help = "directory of the suite; the same command continues what is in it",
                   .target = &a->out,
                   .required = true},
                  {.name = "--dry-run", .help = "show jobs, FLOPs, time and disk, and run nothing", .target = &a->dry_run},
                  {.name = "--quick", .help = "only the sizes, and with the settings, of the suite's [quick]", .target = &a->quick},
                  {.name = "--jobs", .help = "jobs side by side; 0 = by cores and memory", .target = &a->jobs},
                  {.name = "--only",
                   .help = "jobs whose name fits this pattern (* ? [ ]), and all that they need",
                   .target = &a->only},
                  {.name = "--list", .help = "list the jobs and which are done, and run nothing", .target = &a->list},
                  {.name = "--job",
                   .help = "run one job alone, whose needs are done: an element of a cluster's array",
                   .target = &a->job,
                   .advanced = true},
                  {.name = "--emit",
                   .help = "write scripts that run the suite on a cluster, into OUT/slurm, and run nothing",
                   .target = &a->emit,
                   .choices = {"slurm"}},
                  {.name = "--gflops",
                   .help = "1e9 FLOP/s that a training reaches, for the expected time; 0 = measure for some seconds",
                   .target = &a->gflops},
                  {.name = "--set", .help = "one setting of the suite's file, key=value; may be repeated", .target = &a->settings}},
      .run = [a] { run_suite(*a); },
      .examples = {"spectra suite suites/nano.toml --out study", "spectra suite suites/nano.toml --out study --quick",
                   "mpirun -n 4 spectra suite suites/nano.toml --out study",
                   "spectra suite suites/spectra.toml --out study --dry-run"}};
}

}  // namespace spectra::cli
