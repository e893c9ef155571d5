// SPDX-License-Identifier: Apache-2.0
#include "suite/plan.h"

#include <fnmatch.h>

#include <algorithm>
#include <numeric>

#include "base/error.h"
#include "eval/evaluate.h"
#include "eval/find_data.h"
#include "suite/planner.h"

namespace spectra::suite {

const char* job_kind_name(JobKind kind) {
  static const char* const kNames[] = {"prepare", "train", "quantize", "pack", "evaluate", "report"};
  return kNames[static_cast<size_t>(kind)];
}

double Plan::flops() const {
  return std::accumulate(jobs.begin(), jobs.end(), 0.0, [](double sum, const Job& job) { return sum + job.flops; });
}

uint64_t Plan::disk_bytes() const {
  return std::accumulate(jobs.begin(), jobs.end(), uint64_t{0}, [](uint64_t sum, const Job& job) { return sum + job.disk_bytes; });
}

Plan make_plan(const Suite& suite, bool quick) { return Planner(suite, quick).build(); }

void require_inputs(const Suite& suite, const Plan& plan) {
  const Evaluate& e = suite.evaluate;
  if (plan.missing.empty() && !e.tasks.empty()) {
    const eval::DataFinder finder(e.data);
    for (const std::string& task : e.tasks) eval::prepare_task(eval::load_task(task), finder, e.limit, -1);
  }
  if (plan.missing.empty()) return;
  throw bad_input(fmt::format("{}: there is no {}", suite.path.string(), plan.missing[0].string()),
                  plan.missing.size() == 1 ? "give another path, also with --set data.path=..., data.text=..., data.tokenizer=..."
                                           : fmt::format("and {} more are missing", plan.missing.size() - 1));
}

std::vector<bool> select_jobs(const Plan& plan, const std::string& pattern) {
  std::vector<bool> selected(plan.jobs.size(), pattern.empty());
  for (size_t i = plan.jobs.size(); i-- > 0;) {
    if (fnmatch(pattern.c_str(), plan.jobs[i].name.c_str(), 0) == 0) selected[i] = true;
    if (selected[i] && plan.jobs[i].kind != JobKind::kReport)
      for (const size_t needed : plan.jobs[i].after) selected[needed] = true;
  }
  if (std::none_of(selected.begin(), selected.end(), [](bool s) { return s; }))
    throw Error(Exit::kUsage, fmt::format("no job is named {}", pattern), "--list shows them all; * stands for any characters");
  return selected;
}

}  // namespace spectra::suite
