// SPDX-License-Identifier: Apache-2.0
// Losses over training: interventions, spikes, one run beside another.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "analysis/study_tables.h"
#include "analysis/tables/tables.h"
#include "analysis/training_events.h"
#include "base/error.h"

namespace spectra::analysis {
namespace {

Table run_table(const std::vector<TrainingRun>& runs) {
  Table table{{"run", "family", "parameters", "tokens", "final_loss", "validation_loss", "spikes", "skipped"}, {}};
  for (const TrainingRun& run : runs)
    table.rows.push_back({run.name, model::family_name(run.config.family), run.parameters, run.log.back().tokens,
                          final_loss(run, 0.01), run.validation_loss, static_cast<double>(loss_spikes(run).size()),
                          static_cast<double>(std::count_if(run.log.begin(), run.log.end(),
                                                            [](const LogPoint& point) { return !point.skipped.empty(); }))});
  return table;
}

}  // namespace

Tables dynamics_tables(const std::vector<TrainingRun>& runs, double percent) {
  Table events{
      {"run", "event", "tokens", "loss_before", "loss_after", "mean_change", "jump", "jump_error", "slope_before", "slope_after"},
      {}};
  Table spikes{{"run", "tokens", "loss", "above"}, {}};
  for (const TrainingRun& run : runs) {
    for (const EventEffect& e : event_effects(run, percent / 100))
      events.rows.push_back({run.name, e.event, e.tokens, e.loss_before, e.loss_after, e.loss_after - e.loss_before, e.jump,
                             e.jump_error, e.slope_before, e.slope_after});
    for (const Spike& spike : loss_spikes(run)) spikes.rows.push_back({run.name, spike.tokens, spike.loss, spike.above});
  }
  return {
      {"runs", run_table(runs), "final_loss: training loss, mean of the last 1 % of the tokens"},
      {"events", events,
       fmt::format("means over {} % of the run on each side, their change mostly the trend; jump: between the fitted lines, with "
                   "its standard error; slopes in nats a per cent of the run",
                   percent)},
      {"spikes", spikes, "lines far above the trend of the 50 before them"}};
}

std::vector<RunPair> pairs_with_first(const std::vector<TrainingRun>& runs) {
  std::vector<RunPair> pairs;
  for (size_t i = 1; i < runs.size(); ++i) pairs.push_back({&runs[0], &runs[i]});
  return pairs;
}

std::vector<RunPair> pairs_of(const Study& study, const std::vector<TrainingRun>& runs) {
  const auto find = [&](const std::string& name) {
    const auto found = std::find_if(runs.begin(), runs.end(), [&](const TrainingRun& run) { return run.name == name; });
    return found == runs.end() ? nullptr : &*found;
  };
  std::vector<RunPair> pairs;
  for (const StudyModel& model : study.models) {
    if (model.family == model::Family::kFloat || !model.arm.empty()) continue;
    const TrainingRun* run = find(model.name);
    for (const StudyModel* smaller : next_smaller_floats(study, model))
      if (const TrainingRun* base = find(smaller->name); run && base) pairs.push_back({run, base});
  }
  return pairs;
}

Tables relative_tables(const std::vector<RunPair>& pairs, int windows) {
  Table curves{{"run", "base", "base_parameters", "tokens", "ratio"}, {}};
  Table means{{"run", "base", "base_parameters", "first_ratio", "mean_ratio", "last_ratio"}, {}};
  for (const RunPair& pair : pairs) {
    const std::vector<LossRatio> ratios = relative_loss(*pair.run, *pair.base, windows);
    if (ratios.empty()) continue;
    double sum = 0;
    for (const LossRatio& point : ratios) {
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

}  // namespace spectra::analysis
