// SPDX-License-Identifier: Apache-2.0
// What happens during the training of single runs.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "analysis/report/sections.h"

namespace spectra::analysis {
namespace {

using Getter = double (*)(const LogPoint&);

/// One series a run of `value` against tokens; lines that lack the value are left out.
Series series_of(const TrainingRun& run, size_t index, Getter value) {
  Series series;
  series.name = run.name;
  series.colour = static_cast<int>(index);
  for (const LogPoint& point : run.log)
    if (!std::isnan(value(point))) {
      series.x.push_back(point.tokens);
      series.y.push_back(value(point));
    }
  return series;
}

/// Marks of one kind. A place that all runs with such a mark share needs no name; otherwise each place names its runs.
void add_marks(std::vector<Mark>& marks, const std::vector<TrainingRun>& runs, double TrainingRun::*at, const std::string& label) {
  std::map<double, std::vector<size_t>> places;
  for (size_t i = 0; i < runs.size(); ++i)
    if (!std::isnan(runs[i].*at)) places[runs[i].*at].push_back(i);
  for (const auto& [x, here] : places) {
    std::string names;
    for (const size_t i : here) names += (names.empty() ? "" : ", ") + runs[i].name;
    marks.push_back(
        {x, places.size() == 1 ? label : label + ": " + names, here.size() == 1 ? static_cast<int>(here[0]) : kNeutral});
  }
}

std::vector<Incident> skipped_steps(const std::vector<TrainingRun>& runs) {
  std::vector<Incident> incidents;
  for (size_t i = 0; i < runs.size(); ++i)
    for (const LogPoint& point : runs[i].log)
      if (!point.skipped.empty())
        incidents.push_back(
            {point.tokens, fmt::format("{}: step {} skipped, {}", runs[i].name, point.step, point.skipped), static_cast<int>(i)});
  return incidents;
}

/// A chart of `value` against tokens, without series when no run has the value.
Chart chart_of(const std::vector<TrainingRun>& runs, const std::string& title, const std::string& y_label, Getter value,
               bool smooth) {
  Chart chart{title, "tokens", y_label, {}, intervention_marks(runs), skipped_steps(runs)};
  for (size_t i = 0; i < runs.size(); ++i) {
    Series series = series_of(runs[i], i, value);
    if (series.x.empty()) continue;
    if (smooth) {
      Series raw = series;
      raw.faint = true;
      chart.series.push_back(raw);
      series.y = smoothed(series.y, std::max(2.0, static_cast<double>(series.y.size()) / 100));
    }
    chart.series.push_back(series);
  }
  return chart;
}

/// The mean over the layers of `values` during training, with each layer behind it; runs without layer statistics are left out.
Chart layers_over_time(const std::vector<TrainingRun>& runs, const std::string& title, const std::string& y_label,
                       std::vector<double> LayerPoint::*values) {
  Chart chart{title, "tokens", y_label, {}, intervention_marks(runs)};
  for (size_t i = 0; i < runs.size(); ++i) {
    const TrainingRun& run = runs[i];
    if (run.layers.empty()) continue;
    Series mean{run.name, {}, {}, static_cast<int>(i)};
    std::vector<Series> each((run.layers.front().*values).size(), Series{"", {}, {}, static_cast<int>(i), false, true});
    for (const LayerPoint& point : run.layers) {
      double sum = 0;
      for (size_t layer = 0; layer < each.size(); ++layer) {
        each[layer].x.push_back(point.tokens);
        each[layer].y.push_back((point.*values)[layer]);
        sum += (point.*values)[layer];
      }
      mean.x.push_back(point.tokens);
      mean.y.push_back(sum / static_cast<double>(each.size()));
    }
    chart.series.insert(chart.series.end(), each.begin(), each.end());
    chart.series.push_back(mean);
  }
  return chart;
}

/// The scale of every layer at the end of the run.
Chart scales_by_depth(const std::vector<TrainingRun>& runs) {
  Chart chart{"Scale by depth, at the end", "layer", "scale, mean of the layer's matrices", {}};
  for (size_t i = 0; i < runs.size(); ++i) {
    if (runs[i].layers.empty()) continue;
    Series series{runs[i].name, {}, runs[i].layers.back().scale, static_cast<int>(i)};
    for (size_t layer = 0; layer < series.y.size(); ++layer) series.x.push_back(static_cast<double>(layer));
    chart.series.push_back(series);
  }
  return chart;
}

}  // namespace

std::vector<Mark> intervention_marks(const std::vector<TrainingRun>& runs) {
  std::vector<Mark> marks;
  add_marks(marks, runs, &TrainingRun::lr_drop_at, "lr drop");
  add_marks(marks, runs, &TrainingRun::decay_off_at, "weight decay off");
  return marks;
}

Series smoothed_loss(const TrainingRun& run, const std::string& name, int colour) {
  Series series{name, {}, {}, colour};
  for (const LogPoint& point : run.log)
    if (!std::isnan(point.loss)) series.x.push_back(point.tokens), series.y.push_back(point.loss);
  series.y = smoothed(series.y, std::max(2.0, static_cast<double>(series.y.size()) / 100));
  return series;
}

Chart training_loss_chart(const std::vector<TrainingRun>& runs) {
  return chart_of(
      runs, "Training loss", "loss, nats a token", [](const LogPoint& p) { return p.loss; }, true);
}

Section dynamics_section(const ReportInput& input) {
  const std::vector<TrainingRun>& runs = input.runs;
  Section section{"dynamics", "Dynamics", ""};
  const auto add = [&](const char* id, const char* title, const char* y_label, Getter value, bool smooth) {
    section.figures.push_back({id, title, {chart_of(runs, title, y_label, value, smooth)}, "", {}, input.command});
  };
  add(
      "learning-rate", "Learning rate", "learning rate", [](const LogPoint& p) { return p.lr; }, false);
  add(
      "gradient-norm", "Gradient norm", "norm before clipping", [](const LogPoint& p) { return p.grad_norm; }, true);
  add(
      "zero-weights", "Zero weights of ternary layers", "fraction", [](const LogPoint& p) { return p.zero_fraction; }, false);
  add(
      "changed-weights", "Low-bit weights that changed per step", "fraction", [](const LogPoint& p) { return p.flip_fraction; },
      true);
  return section;
}

Section layers_section(const ReportInput& input) {
  const std::vector<TrainingRun>& runs = input.runs;
  Section section{"layers", "Low-bit layers", ""};
  if (std::all_of(runs.begin(), runs.end(), [](const TrainingRun& run) { return run.layers.empty(); })) return section;
  section.intro =
      "<p>Pale lines are single layers. A weight is near a threshold when its latent value lies within 0.05 scales of where its "
      "code "
      "changes.</p>\n";
  const auto add = [&](const char* id, const Chart& chart) {
    section.figures.push_back({id, chart.title, {chart}, "", {}, input.command});
  };
  add("scales", layers_over_time(runs, "Scale of the weights", "scale", &LayerPoint::scale));
  add("scales-by-depth", scales_by_depth(runs));
  add("near-thresholds", layers_over_time(runs, "Weights near a threshold", "fraction", &LayerPoint::near_fraction));
  add("distances", layers_over_time(runs, "Distance from the threshold", "mean, in scales", &LayerPoint::distance));
  return section;
}

}  // namespace spectra::analysis
