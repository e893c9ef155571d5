// SPDX-License-Identifier: Apache-2.0
// Ablations: every arm beside the suite's own recipe, seeds as dots.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "analysis/report/sections.h"

namespace spectra::analysis {
namespace {

/// Arms of one kind and size; the suite's own recipe is the arm "".
struct Setting {
  Kind kind;
  std::string size;
  std::vector<std::string> arms;
};

std::vector<Setting> settings_of(const Study& study) {
  std::vector<Setting> settings;
  for (const StudyModel& model : study.models) {
    if (model.arm.empty() || !std::isfinite(model.validation_loss)) continue;
    const auto same = [&](const Setting& s) { return s.kind == kind_of(model) && s.size == model.size; };
    auto found = std::find_if(settings.begin(), settings.end(), same);
    if (found == settings.end()) found = settings.insert(settings.end(), {kind_of(model), model.size, {""}});
    if (std::find(found->arms.begin(), found->arms.end(), model.arm) == found->arms.end()) found->arms.push_back(model.arm);
  }
  return settings;
}

/// Validation loss by seed.
std::map<int64_t, double> by_seed(const Study& study, const Setting& setting, const std::string& arm) {
  std::map<int64_t, double> losses;
  for (const StudyModel& model : study.models)
    if (model.arm == arm && model.size == setting.size && kind_of(model) == setting.kind && std::isfinite(model.validation_loss))
      losses[model.seed] = model.validation_loss;
  return losses;
}

/// An arm's loss minus that of the suite's own recipe, seed by seed.
std::vector<double> paired(const std::map<int64_t, double>& arm, const std::map<int64_t, double>& own) {
  std::vector<double> values;
  for (const auto& [seed, loss] : arm)
    if (const auto same = own.find(seed); same != own.end()) values.push_back(loss - same->second);
  return values;
}

Chart chart_of(const Study& study, const Setting& setting) {
  struct Arm {
    std::string name;
    std::vector<double> values;
    Mean mean;
  };
  std::vector<Arm> arms;
  const std::map<int64_t, double> own = by_seed(study, setting, "");
  for (const std::string& name : setting.arms)
    if (const std::vector<double> values = paired(by_seed(study, setting, name), own); !name.empty() && !values.empty())
      arms.push_back({name, values, mean_of(values)});
  Chart chart{kind_name(setting.kind) + " " + setting.size, "validation loss − own recipe's, nats a token", "", {}};
  chart.zero_line = true;
  Series seeds{"seed", {}, {}, kind_colour(setting.kind), true}, means{"mean", {}, {}, kind_colour(setting.kind), true};
  seeds.opacity = 0.45;
  seeds.named = means.named = false;
  means.marker = kind_marker(setting.kind);
  for (size_t row = 0; row < arms.size(); ++row) {
    chart.rows.push_back(arms[row].name);
    for (const double value : arms[row].values) {
      if (arms[row].values.size() < 2) break;
      seeds.x.push_back(value), seeds.y.push_back(static_cast<double>(row)), seeds.notes.push_back(arms[row].name + ", one seed");
    }
    means.x.push_back(arms[row].mean.mean);
    means.y.push_back(static_cast<double>(row));
    const double margin = arms[row].values.size() > 1 ? arms[row].mean.margin : 0;
    means.low.push_back(arms[row].mean.mean - margin), means.high.push_back(arms[row].mean.mean + margin);
    means.notes.push_back(arms[row].name + (margin > 0 ? fmt::format(", mean ± {:.4f}", margin) : ", one seed"));
  }
  chart.series = {seeds, means};
  return chart;
}

}  // namespace

Section ablation_section(const ReportInput& input) {
  Section section{"ablations", "Ablations", ""};
  size_t index = 0;
  for (const Setting& setting : settings_of(*input.study)) {
    const Chart chart = chart_of(*input.study, setting);
    section.figures.push_back(
        {fmt::format("ablation-{}", ++index),
         "Ablations of " + chart.title,
         {chart},
         "Each arm minus the suite's own recipe, paired by seed: dots are seeds, the marker is their mean with its 95 % "
         "interval. An arm with one seed cannot be told from noise.",
         {},
         input.command});
  }
  return section;
}

}  // namespace spectra::analysis
