// SPDX-License-Identifier: Apache-2.0
#include "suite/slurm.h"

#include <fmt/format.h>

namespace spectra::suite {
namespace {

/// A word as a shell reads it back, whatever is in it.
std::string quoted(const std::string& word) {
  std::string text = "'";
  for (const char c : word) text += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return text + "'";
}

std::vector<std::string> names_of(const Plan& plan, JobKind kind) {
  std::vector<std::string> names;
  for (const Job& job : plan.jobs)
    if (job.kind == kind) names.push_back(job.name);
  return names;
}

std::string array_script(const std::string& name, const Plan& plan, JobKind kind, const std::string& command, const fs::path& cwd,
                         const fs::path& logs) {
  const std::vector<std::string> names = names_of(plan, kind);
  std::string text = fmt::format(
      "#!/bin/bash\n#SBATCH --job-name={}-{}\n#SBATCH --array=0-{}\n#SBATCH --cpus-per-task={}\n#SBATCH "
      "--output={}/slurm-%x-%a.log\n",
      name, job_kind_name(kind), names.size() - 1, plan.threads, logs.string());
  uint64_t memory = 0;
  for (const Job& job : plan.jobs)
    if (job.kind == kind) memory = std::max(memory, job.memory_bytes);
  if (memory > 0)
    text += fmt::format("#SBATCH --mem={}M\n", memory * 12 / 10 / 1'000'000 + 200);  // some room for the program itself
  text += "jobs=(\n";
  for (const std::string& job : names) text += "  " + quoted(job) + "\n";
  return text + fmt::format(")\ncd {}\nexec {} --job \"${{jobs[$SLURM_ARRAY_TASK_ID]}}\"\n", quoted(cwd.string()), command);
}

/// Kinds that the jobs of `kind` need, by name.
std::vector<std::string> needed_kinds(const Plan& plan, JobKind kind) {
  std::vector<std::string> needed;
  for (const JobKind other : kJobKinds) {
    bool needs = false;
    for (const Job& job : plan.jobs)
      if (job.kind == kind)
        for (const size_t before : job.after) needs = needs || (plan.jobs[before].kind == other && other != kind);
    if (needs) needed.emplace_back(job_kind_name(other));
  }
  return needed;
}

}  // namespace

std::map<std::string, std::string> slurm_scripts(const Suite& suite, const Plan& plan, const std::vector<std::string>& command,
                                                 const fs::path& cwd, const fs::path& logs) {
  std::string line;
  for (const std::string& word : command) line += (line.empty() ? "" : " ") + quoted(word);
  std::map<std::string, std::string> scripts;
  std::string submit =
      "#!/bin/bash\n# Submits the whole suite. Run again, it submits again: jobs that are done end at once.\nset -euo pipefail\n"
      "here=$(cd \"$(dirname \"$0\")\" && pwd)\n";
  for (const JobKind kind : kJobKinds) {
    if (names_of(plan, kind).empty()) continue;
    const std::string name = job_kind_name(kind);
    scripts[name + ".sh"] = array_script(suite.name, plan, kind, line, cwd, logs);
    std::string after;
    // The page shows what there is, whatever failed.
    for (const std::string& needed : needed_kinds(plan, kind)) after += fmt::format(":${}", needed);
    const char* const condition = kind == JobKind::kReport ? "afterany" : "afterok";
    submit += fmt::format("{}=$(sbatch --parsable {}\"$here/{}.sh\")\n", name,
                          after.empty() ? "" : fmt::format("--dependency={}{} ", condition, after), name);
  }
  scripts["submit.sh"] = submit + "echo \"submitted; squeue shows the jobs\"\n";
  return scripts;
}

}  // namespace spectra::suite
