// SPDX-License-Identifier: Apache-2.0
// Losses over training: interventions, spikes, one run beside another.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

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

/// For every low-bit run the float runs with fewer parameters, the two largest of them.
std::map<size_t, std::vector<size_t>> next_smaller_floats(const std::vector<TrainingRun>& runs) {
  std::map<size_t, std::vector<size_t>> bases;
  for (size_t i = 0; i < runs.size(); ++i) {
    if (runs[i].config.family == model::Family::kFloat) continue;
    std::vector<size_t>& smaller = bases[i];
    for (size_t j = 0; j < runs.size(); ++j)
      if (runs[j].config.family == model::Family::kFloat && runs[j].parameters < runs[i].parameters) smaller.push_back(j);
    std::sort(smaller.begin(), smaller.end(), [&](size_t a, size_t b) { return runs[a].parameters > runs[b].parameters; });
    if (smaller.size() > 2) smaller.resize(2);
  }
  return bases;
}

}  // namespace

Tables analyze_dynamics(const AnalyzeOptions& options) {
  if (!(options.window > 0 && options.window <= 50))
    throw Error(Exit::kUsage, fmt::format("--window {} is out of range", options.window),
                "per cent of the run, above 0, at most 50");
  const std::vector<TrainingRun> runs = read_runs(options);
  Table events{{"run", "event", "tokens", "loss_before", "loss_after", "change", "slope_before", "slope_after"}, {}};
  Table spikes{{"run", "tokens", "loss", "above"}, {}};
  for (const TrainingRun& run : runs) {
    for (const analysis::EventEffect& e : analysis::event_effects(run, options.window / 100))
      events.rows.push_back(
          {run.name, e.event, e.tokens, e.loss_before, e.loss_after, e.loss_after - e.loss_before, e.slope_before, e.slope_after});
    for (const analysis::Spike& spike : analysis::loss_spikes(run))
      spikes.rows.push_back({run.name, spike.tokens, spike.loss, spike.above});
  }
  return {{"runs", run_table(runs), "final_loss: training loss, mean of the last 1 % of the tokens"},
          {"events", events,
           fmt::format("means over {} % of the run on each side; slopes in nats a per cent of the run", options.window)},
          {"spikes", spikes, "lines far above the 50 before them"}};
}

Tables analyze_relative(const AnalyzeOptions& options) {
  if (options.windows < 1 || options.windows > 10000)
    throw Error(Exit::kUsage, fmt::format("--windows {} is out of range", options.windows), "1 to 10000");
  const std::vector<TrainingRun> runs = read_runs(options);
  std::map<size_t, std::vector<size_t>> bases;
  if (options.inputs.size() > 1) {  // the first beside each of the others
    for (size_t i = 1; i < runs.size(); ++i) bases[0].push_back(i);
  } else {
    bases = next_smaller_floats(runs);
  }
  Table table{{"run", "base", "base_parameters", "tokens", "ratio"}, {}};
  for (const auto& [run, list] : bases)
    for (const size_t base : list)
      for (const analysis::LossRatio& point : analysis::relative_loss(runs[run], runs[base], static_cast<int>(options.windows)))
        table.rows.push_back({runs[run].name, runs[base].name, runs[base].parameters, point.tokens, point.ratio});
  if (table.rows.empty())
    throw bad_input("no run has a float run with fewer parameters beside it",
                    "give a run and the runs to set beside it: spectra analyze relative RUN BASE...");
  return {{"relative", table, "training loss over the base's at the same tokens"}};
}

}  // namespace spectra::cli
