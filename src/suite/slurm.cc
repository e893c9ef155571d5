// SPDX-License-Identifier: Apache-2.0
#include "suite/slurm.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/shell.h"

namespace spectra::suite {
namespace {

constexpr size_t kLongestArray = 1000;  // Slurm's own limit where nobody raised it
constexpr uint64_t kLeastMemory = 1'000'000'000;
constexpr int kSecondsToSave = 120;  // before the time limit

struct Array {
  JobKind kind;
  std::string name;  // of the script, without .sh
  std::vector<std::string> jobs;
  uint64_t memory_bytes = kLeastMemory;
};

std::vector<Array> arrays_of(const Plan& plan, const std::vector<bool>& selected) {
  std::vector<Array> arrays;
  for (const JobKind kind : kJobKinds) {
    int parts = 0;
    for (size_t i = 0; i < plan.jobs.size(); ++i) {
      if (plan.jobs[i].kind != kind || !selected[i]) continue;
      if (parts == 0 || arrays.back().jobs.size() == kLongestArray) {
        ++parts;
        arrays.push_back({kind, job_kind_name(kind) + (parts > 1 ? fmt::format("_{}", parts) : ""), {}});
      }
      arrays.back().jobs.push_back(plan.jobs[i].name);
      arrays.back().memory_bytes = std::max(arrays.back().memory_bytes, plan.jobs[i].memory_bytes);
    }
  }
  return arrays;
}

std::string array_script(const Array& array, const Suite& suite, const Plan& plan, const SlurmPlace& place) {
  std::string text = fmt::format(
      "#!/bin/bash\n#SBATCH --job-name={}-{}\n#SBATCH --array=0-{}\n#SBATCH --cpus-per-task={}\n#SBATCH --mem={}M\n"
      "#SBATCH --signal=B:TERM@{}\njobs=(\n",
      suite.name, array.name, array.jobs.size() - 1, plan.threads, array.memory_bytes * 12 / 10 / 1'000'000 + 200, kSecondsToSave);
  for (const std::string& job : array.jobs) text += "  " + shell_word(job) + "\n";
  return text + fmt::format(")\ncd {} || exit 1\nexec {} --job \"${{jobs[$SLURM_ARRAY_TASK_ID]}}\"\n",
                            shell_word(place.cwd.string()), shell_words(place.command));
}

bool needs(const Plan& plan, JobKind kind, JobKind other) {
  return kind != other && std::any_of(plan.jobs.begin(), plan.jobs.end(), [&](const Job& job) {
           return job.kind == kind &&
                  std::any_of(job.after.begin(), job.after.end(), [&](size_t before) { return plan.jobs[before].kind == other; });
         });
}

/// In sbatch's patterns % begins a variable.
std::string log_pattern(const fs::path& logs) {
  std::string text;
  for (const char c : (logs / "slurm-").string()) text += c == '%' ? "%%" : std::string(1, c);
  return text + "%x-%a.log";
}

}  // namespace

std::map<std::string, std::string> slurm_scripts(const Suite& suite, const Plan& plan, const std::vector<bool>& selected,
                                                 const SlurmPlace& place) {
  const std::vector<Array> arrays = arrays_of(plan, selected);
  std::map<std::string, std::string> scripts;
  std::string submit =
      "#!/bin/bash\n# Submits the whole suite; arguments go to sbatch: submit.sh --time 24:00:00 --partition gpu\n"
      "# Run again, it submits again: jobs that are done end at once.\nset -euo pipefail\n"
      "here=$(cd \"$(dirname \"$0\")\" && pwd)\n";
  for (size_t i = 0; i < arrays.size(); ++i) {
    const Array& array = arrays[i];
    scripts[array.name + ".sh"] = array_script(array, suite, plan, place);
    std::string after;
    for (size_t j = 0; j < i; ++j)
      if (needs(plan, array.kind, arrays[j].kind)) after += fmt::format(":${}", arrays[j].name);
    submit += fmt::format("{}=$(sbatch --parsable --output {} --open-mode append{} \"$@\" \"$here/{}.sh\")\n", array.name,
                          shell_word(log_pattern(place.logs)), after.empty() ? "" : " --dependency afterany" + after, array.name);
  }
  scripts["submit.sh"] = submit + "echo \"submitted; squeue shows the jobs\"\n";
  return scripts;
}

}  // namespace spectra::suite
