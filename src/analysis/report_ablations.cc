// SPDX-License-Identifier: Apache-2.0
// Ablations: every arm beside the suite's own recipe, seeds as dots.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "analysis/report_sections.h"

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

Chart chart_of(const Study& study, const Setting& setting) {
  struct Arm {
    std::string name;
    std::vector<double> values;
    Mean mean;
  };
  std::vector<Arm> arms;
  for (const std::string& name : setting.arms)
    for (const SizeGroup& group : by_size(study, setting.kind, validation_loss, name))
      if (group.size == setting.size) arms.push_back({name.empty() ? "own recipe" : name, group.values, group.mean});
  std::sort(arms.begin(), arms.end(), [](const Arm& a, const Arm& b) { return a.mean.mean < b.mean.mean; });
  Chart chart{kind_name(setting.kind) + " " + setting.size, "validation loss, nats a token", "", {}};
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
    means.notes.push_back(arms[row].name + ", mean");
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
    section.figures.push_back({fmt::format("ablation-{}", ++index),
                               "Ablations of " + chart.title,
                               {chart},
                               "Dots are seeds, the marker is their mean; best on top.",
                               {},
                               input.command});
  }
  return section;
}

}  // namespace spectra::analysis
