// SPDX-License-Identifier: Apache-2.0
#include "suite/plan.h"

#include <fnmatch.h>

#include <algorithm>

#include "base/error.h"
#include "eval/evaluate.h"
#include "eval/find_data.h"
#include "suite/planner.h"

namespace spectra::suite {

const char* job_kind_name(JobKind kind) {
  static const char* const kNames[] = {"prepare", "train", "quantize", "pack", "evaluate", "report"};
  return kNames[static_cast<size_t>(kind)];
}

std::vector<std::string> Plan::arguments(const Job& job) const {
  std::vector<std::string> all = job.arguments;
  all.insert(all.end(), {"--threads", fmt::format("{}", threads)});
  return all;
}

bool is_paper_size(const model::Config& config) {
  constexpr int64_t kPaperVocabulary = 50'000;  // its tokenizer has some more
  const auto sizes = model::spectra_sizes();
  return std::any_of(sizes.begin(), sizes.end(), [&](const model::Size& s) {
    return s.hidden == config.hidden && s.glu == config.glu && s.layers == config.layers && config.vocab > kPaperVocabulary;
  });
}

double counted_bits(const model::Config& config, double bits_per_weight) {
  return model::size_in_bits(config, bits_per_weight, is_paper_size(config) ? 0 : config.vocab);
}

Plan make_plan(const Suite& suite, bool quick) { return Planner(suite, quick).build(); }

void require_inputs(const Suite& suite, const Plan& plan) {
  const Evaluate& e = suite.evaluate;
  if (plan.missing.empty() && !e.tasks.empty()) {
    const eval::DataFinder finder(e.data);
    for (const std::string& task : e.tasks) eval::prepare_task(eval::load_task(task), finder, e.limit, -1);
  }
  if (plan.missing.empty()) return;
  const Missing& first = plan.missing[0];
  throw bad_input(fmt::format("{}: there is no {}{}", first.origin, first.path.string(),
                              plan.missing.size() == 1 ? "" : fmt::format(", and {} more are missing", plan.missing.size() - 1)),
                  "give another path there, or with --set KEY=PATH; relative ones hold from the current directory");
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
