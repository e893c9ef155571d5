// SPDX-License-Identifier: Apache-2.0
// How well a study's models predict texts from elsewhere.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "analysis/report/sections.h"

namespace spectra::analysis {
namespace {

std::set<std::string> texts_of(const Study& study) {
  std::set<std::string> names;
  for (const StudyModel& model : study.models)
    for (const auto& text : model.texts) names.insert(text.first);
  return names;
}

Measure nll_of(const std::string& text) {
  return [text](const StudyModel& model) {
    const auto found = model.texts.find(text);
    return found == model.texts.end() ? kUnknown : found->second.nll;
  };
}

/// The largest size that most kinds have.
std::string widest_size(const Study& study, const std::string& text) {
  std::string best;
  size_t most = 0;
  for (const SizeGroup& group : by_size(study, kTriLM, nll_of(text))) {
    size_t kinds = 0;
    for (const Kind& kind : kinds_of(study))
      for (const SizeGroup& other : by_size(study, kind, nll_of(text))) kinds += other.size == group.size;
    if (kinds >= most) most = kinds, best = group.size;
  }
  return best;
}

/// A row a text, a marker a kind.
Chart one_size(const Study& study, const std::set<std::string>& texts) {
  const std::string size = widest_size(study, *texts.begin());
  Chart chart{"Every text at " + size, "nats a token", "", {}};
  chart.rows.assign(texts.begin(), texts.end());
  for (const Kind& kind : kinds_of(study)) {
    Series series{kind_name(kind), {}, {}, kind_colour(kind), true};
    series.marker = kind_marker(kind);
    for (size_t row = 0; row < chart.rows.size(); ++row)
      for (const SizeGroup& group : by_size(study, kind, nll_of(chart.rows[row])))
        if (group.size == size) {
          series.x.push_back(group.mean.mean), series.y.push_back(static_cast<double>(row));
          series.notes.push_back(
              fmt::format("{} on {}, perplexity {:.2f}", series.name, chart.rows[row], std::exp(group.mean.mean)));
        }
    if (!series.x.empty()) chart.series.push_back(series);
  }
  return chart;
}

Chart one_text(const Study& study, const std::string& text) {
  Chart chart{text, "parameters", "nats a token", {}};
  chart.small = chart.log_x = true;
  for (const Kind& kind : {kFloatLM, kTriLM, kBiLM}) {
    const std::vector<SizeGroup> groups = by_size(study, kind, nll_of(text));
    if (groups.empty()) continue;
    Series points = points_of(kind, groups, &SizeGroup::parameters), line = points;
    line.points = line.hover = false;
    line.low.clear(), line.high.clear();
    points.named = false;
    chart.series.push_back(line);
    chart.series.push_back(points);
  }
  return chart;
}

Table table_of(const Study& study, const std::set<std::string>& texts) {
  Table table{{"model", "text", "nats a token", "perplexity", "tokens"}, {}};
  for (const StudyModel& model : study.models)
    for (const std::string& name : texts)
      if (const auto found = model.texts.find(name); found != model.texts.end())
        table.rows.push_back(
            {model.name, name, Cell(found->second.nll), Cell(found->second.perplexity), Cell(found->second.tokens)});
  return table;
}

}  // namespace

Section texts_section(const ReportInput& input) {
  const std::set<std::string> texts = texts_of(*input.study);
  Section section{"other-texts", "Other texts", ""};
  if (texts.empty()) return section;
  const Chart chart = one_size(*input.study, texts);
  Figure figure{"other-text-losses", "Loss on other texts", {}, "", table_of(*input.study, texts), input.command};
  for (const std::string& text : texts) figure.charts.push_back(one_text(*input.study, text));
  section.figures = {figure, {"other-text-losses-size", chart.title, {chart}, "Means over seeds.", {}, input.command}};
  return section;
}

}  // namespace spectra::analysis
