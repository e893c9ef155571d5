// SPDX-License-Identifier: Apache-2.0
// Losses over training: interventions, spikes, one run beside another.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "analysis/study_tables.h"
#include "analysis/training_events.h"
#include "base/error.h"
#include "base/log.h"
#include "cli/analyze.h"

namespace spectra::cli {
namespace {

using analysis::Cell;
using analysis::Table;
using analysis::TrainingRun;

/// The runs given, or those of a suite. Runs that a suite has not finished starting are left out.
std::vector<TrainingRun> read_runs(const AnalyzeOptions& options) {
  std::vector<TrainingRun> runs;
  for (const std::string& input : options.inputs) {
    if (!analysis::is_study(input)) {
      runs.push_back(analysis::read_run(input));
      continue;
    }
    for (const analysis::StudyModel& model : analysis::read_study(input).models) {
      if (model.run.empty()) continue;
      try {
        runs.push_back(analysis::read_run(model.run));
        runs.back().name = model.name;
      } catch (const Error& error) {
        log_warning("{} is left out: {}", model.name, error.what());
      }
    }
  }
  if (runs.empty())
    throw Error(Exit::kUsage, fmt::format("spectra analyze {} needs a run or a suite with runs", options.analysis),
                "give directories that `spectra train --out` made");
  return runs;
}

Table run_table(const std::vector<TrainingRun>& runs) {
  Table table{{"run", "family", "parameters", "tokens", "final_loss", "validation_loss", "spikes", "skipped"}, {}};
  for (const TrainingRun& run : runs)
    table.rows.push_back(
        {run.name, model::family_name(run.config.family), run.parameters, run.log.back().tokens, analysis::final_loss(run, 0.01),
         run.validation_loss, static_cast<double>(analysis::loss_spikes(run).size()),
         static_cast<double>(std::count_if(run.log.begin(), run.log.end(),
                                           [](const analysis::LogPoint& point) { return !point.skipped.empty(); }))});
  return table;
}

/// Two runs to set beside each other, by name in order of appearance.
struct Pair {
  const TrainingRun *run, *base;
};

/// Every low-bit run of a suite (no ablations) beside the FloatLMs of the two next smaller sizes.
std::vector<Pair> suite_pairs(const analysis::Study& study, const std::vector<TrainingRun>& runs) {
  const auto find = [&](const std::string& name) {
    const auto found = std::find_if(runs.begin(), runs.end(), [&](const TrainingRun& run) { return run.name == name; });
    return found == runs.end() ? nullptr : &*found;
  };
  std::vector<Pair> pairs;
  for (const analysis::StudyModel& model : study.models) {
    if (model.family == model::Family::kFloat || !model.arm.empty()) continue;
    const TrainingRun* run = find(model.name);
    for (const analysis::StudyModel* smaller : analysis::next_smaller_floats(study, model))
      if (const TrainingRun* base = find(smaller->name); run && base) pairs.push_back({run, base});
  }
  return pairs;
}

}  // namespace

Tables analyze_dynamics(const AnalyzeOptions& options) {
  if (!(options.window > 0 && options.window <= 50))
    throw Error(Exit::kUsage, fmt::format("--window {} is out of range", options.window),
                "per cent of the run, above 0, at most 50");
  const std::vector<TrainingRun> runs = read_runs(options);
  Table events{
      {"run", "event", "tokens", "loss_before", "loss_after", "mean_change", "jump", "jump_error", "slope_before", "slope_after"},
      {}};
  Table spikes{{"run", "tokens", "loss", "above"}, {}};
  for (const TrainingRun& run : runs) {
    for (const analysis::EventEffect& e : analysis::event_effects(run, options.window / 100))
      events.rows.push_back({run.name, e.event, e.tokens, e.loss_before, e.loss_after, e.loss_after - e.loss_before, e.jump,
                             e.jump_error, e.slope_before, e.slope_after});
    for (const analysis::Spike& spike : analysis::loss_spikes(run))
      spikes.rows.push_back({run.name, spike.tokens, spike.loss, spike.above});
  }
  return {
      {"runs", run_table(runs), "final_loss: training loss, mean of the last 1 % of the tokens"},
      {"events", events,
       fmt::format("means over {} % of the run on each side, their change mostly the trend; jump: between the fitted lines, with "
                   "its standard error; slopes in nats a per cent of the run",
                   options.window)},
      {"spikes", spikes, "lines far above the trend of the 50 before them"}};
}

Tables analyze_relative(const AnalyzeOptions& options) {
  if (options.windows < 1 || options.windows > 10000)
    throw Error(Exit::kUsage, fmt::format("--windows {} is out of range", options.windows), "1 to 10000");
  const bool suite =
      std::any_of(options.inputs.begin(), options.inputs.end(), [](const auto& one) { return analysis::is_study(one); });
  if (suite && options.inputs.size() > 1)
    throw Error(Exit::kUsage, "spectra analyze relative compares the runs of one suite, or runs by name",
                "give one suite alone, or a run and the runs to set beside it: spectra analyze relative RUN BASE...");
  const std::vector<TrainingRun> runs = read_runs(options);
  std::vector<Pair> pairs;
  for (size_t i = 1; !suite && i < runs.size(); ++i) pairs.push_back({&runs[0], &runs[i]});  // the first beside each of the others
  if (suite) pairs = suite_pairs(analysis::read_study(options.inputs[0]), runs);
  Table curves{{"run", "base", "base_parameters", "tokens", "ratio"}, {}};
  Table means{{"run", "base", "base_parameters", "first_ratio", "mean_ratio", "last_ratio"}, {}};
  for (const Pair& pair : pairs) {
    const std::vector<analysis::LossRatio> ratios =
        analysis::relative_loss(*pair.run, *pair.base, static_cast<int>(options.windows));
    if (ratios.empty()) continue;
    double sum = 0;
    for (const analysis::LossRatio& point : ratios) {
      sum += point.ratio;
      curves.rows.push_back({pair.run->name, pair.base->name, pair.base->parameters, point.tokens, point.ratio});
    }
    means.rows.push_back({pair.run->name, pair.base->name, pair.base->parameters, ratios.front().ratio,
                          sum / static_cast<double>(ratios.size()), ratios.back().ratio});
  }
  if (curves.rows.empty())
    throw bad_input("no run has a float run with fewer parameters beside it",
                    "give a run and the runs to set beside it: spectra analyze relative RUN BASE...");
  return {{"relative", curves, "training loss over the base's at the same tokens"},
          {"pairs", means, "the same for each pair, of the first part of the run, of all, of the last"}};
}

}  // namespace spectra::cli
