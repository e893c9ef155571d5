// SPDX-License-Identifier: Apache-2.0
#include "analysis/study_tables.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "analysis/fit/student_t.h"

namespace spectra::analysis {
std::string kind_name(const Kind& kind) {
  if (kind.bits > 0) return fmt::format("QuantLM {}-bit", kind.bits);
  switch (kind.family) {
    case model::Family::kFloat:
      return "FloatLM";
    case model::Family::kTernary:
      return "TriLM";
    case model::Family::kBinary:
      return "BiLM";
  }
  return "";
}

int kind_colour(const Kind& kind) {
  if (kind.bits > 0) return kind.bits >= 8 ? 5 : kind.bits >= 6 ? 5 + kColours : kind.bits >= 4 ? 4 : 3;  // 6 bits as 8, dashed
  return static_cast<int>(kind.family);
}

Marker kind_marker(const Kind& kind) {
  if (kind.bits > 0) return Marker::kDiamond;
  return kind.family == model::Family::kFloat     ? Marker::kCircle
         : kind.family == model::Family::kTernary ? Marker::kTriangle
                                                  : Marker::kSquare;
}

Kind kind_of(const StudyModel& model) { return {model.family, model.quantized_bits}; }

std::vector<Kind> kinds_of(const Study& study) {
  std::vector<Kind> kinds;
  for (const StudyModel& model : study.models)
    if (model.arm.empty() && std::find(kinds.begin(), kinds.end(), kind_of(model)) == kinds.end()) kinds.push_back(kind_of(model));
  const auto rank = [](const Kind& kind) { return kind.bits > 0 ? 20 - kind.bits : 10 * (2 * static_cast<int>(kind.family)); };
  std::sort(kinds.begin(), kinds.end(), [&](const Kind& a, const Kind& b) { return rank(a) < rank(b); });
  return kinds;
}

double validation_loss(const StudyModel& model) { return model.validation_loss; }

Mean mean_of(const std::vector<double>& values) {
  Mean mean;
  mean.count = values.size();
  if (values.empty()) return mean;
  const double count = static_cast<double>(values.size());
  mean.mean = std::accumulate(values.begin(), values.end(), 0.0) / count;
  mean.low = *std::min_element(values.begin(), values.end());
  mean.high = *std::max_element(values.begin(), values.end());
  if (values.size() < 2) return mean;
  double squares = 0;
  for (const double value : values) squares += (value - mean.mean) * (value - mean.mean);
  mean.margin = student_t_bound(0.95, static_cast<int>(values.size()) - 1) * std::sqrt(squares / (count - 1) / count);
  return mean;
}

std::vector<SizeGroup> by_size(const Study& study, const Kind& kind, const Measure& measure, const std::string& arm) {
  std::vector<SizeGroup> groups;
  for (const StudyModel& model : study.models) {
    const double value = measure(model);
    if (!(kind_of(model) == kind) || model.arm != arm || !std::isfinite(value)) continue;
    auto group = std::find_if(groups.begin(), groups.end(), [&](const SizeGroup& g) { return g.size == model.size; });
    if (group == groups.end()) {
      groups.push_back({model.size, model.parameters, model.size_bits, {}, {}, {}});
      group = groups.end() - 1;
    }
    group->models.push_back(&model);
    group->values.push_back(value);
  }
  for (SizeGroup& group : groups) group.mean = mean_of(group.values);
  std::sort(groups.begin(), groups.end(), [](const SizeGroup& a, const SizeGroup& b) { return a.parameters < b.parameters; });
  return groups;
}

std::vector<SizeDifference> differences(const Study& study, const Kind& a, const Kind& b, const Measure& measure) {
  const std::vector<SizeGroup> of_a = by_size(study, a, measure), of_b = by_size(study, b, measure);
  std::vector<SizeDifference> out;
  for (const SizeGroup& group : of_a) {
    SizeDifference difference{group.size, group.parameters, {}, {}};
    for (const SizeGroup& other : of_b)
      for (size_t i = 0; i < group.models.size() && other.size == group.size; ++i)
        for (size_t j = 0; j < other.models.size(); ++j)
          if (group.models[i]->seed == other.models[j]->seed) difference.values.push_back(group.values[i] - other.values[j]);
    difference.mean = mean_of(difference.values);
    if (!difference.values.empty()) out.push_back(difference);
  }
  return out;
}

std::vector<const StudyModel*> next_smaller_floats(const Study& study, const StudyModel& model) {
  const Measure trained = [&](const StudyModel& one) {
    return !one.run.empty() && one.linear_parameters < model.linear_parameters ? one.linear_parameters : kUnknown;
  };
  std::vector<SizeGroup> groups = by_size(study, kFloatLM, trained);
  std::sort(groups.begin(), groups.end(), [](const SizeGroup& a, const SizeGroup& b) { return a.values[0] > b.values[0]; });
  std::vector<const StudyModel*> floats;
  for (size_t i = 0; i < std::min<size_t>(2, groups.size()); ++i)
    floats.push_back(
        *std::min_element(groups[i].models.begin(), groups[i].models.end(), [&](const StudyModel* a, const StudyModel* b) {
          return std::pair(a->seed != model.seed, a->seed) < std::pair(b->seed != model.seed, b->seed);
        }));
  return floats;
}

Series points_of(const Kind& kind, const std::vector<SizeGroup>& groups, double SizeGroup::*x) {
  Series series;
  series.name = kind_name(kind);
  series.colour = kind_colour(kind);
  series.marker = kind_marker(kind);
  series.points = true;
  for (const SizeGroup& group : groups) {
    series.x.push_back(group.*x);
    series.y.push_back(group.mean.mean);
    series.low.push_back(group.mean.low);
    series.high.push_back(group.mean.high);
    series.notes.push_back(fmt::format("{} {}{}", kind_name(kind), group.size,
                                       group.values.size() > 1 ? fmt::format(", mean of {} seeds", group.values.size()) : ""));
  }
  return series;
}

}  // namespace spectra::analysis
