// SPDX-License-Identifier: Apache-2.0
// Training curves of a study: a panel for each family, and ternary models beside smaller float models.
#include <algorithm>
#include <cmath>

#include "analysis/report/sections.h"

namespace spectra::analysis {
namespace {

Chart panel(const ReportInput& input, const Kind& kind) {
  Chart chart{kind_name(kind), "tokens", "training loss, nats a token", {}};
  chart.small = chart.log_y = true;  // the first steps are many times higher than where the families differ
  const std::vector<Curve> curves = curves_of(input, kind);
  chart.marks = shared_marks(curves);
  for (size_t i = 0; i < curves.size(); ++i) {
    Series series = smoothed_loss(*curves[i].run, curves[i].model->size, kind_colour(kind));
    series.opacity = 0.45 + 0.55 * static_cast<double>(i + 1) / static_cast<double>(curves.size());
    chart.series.push_back(series);
  }
  return chart;
}

/// The value of a line at x, between its points; NaN outside.
double value_at(const Series& line, double x) {
  if (line.x.empty() || x < line.x.front() || x > line.x.back()) return kUnknown;
  const size_t after = static_cast<size_t>(std::lower_bound(line.x.begin(), line.x.end(), x) - line.x.begin());
  if (after == 0) return line.y.front();
  const double share = (x - line.x[after - 1]) / (line.x[after] - line.x[after - 1]);
  return line.y[after - 1] + share * (line.y[after] - line.y[after - 1]);
}

/// Loss of one TriLM over the losses of the two next smaller FloatLMs, at the same tokens.
Chart relative(const Curve& ternary, const std::vector<Curve>& floats) {
  Chart chart{"TriLM " + ternary.model->size, "tokens", "ratio of training losses", {}};
  chart.small = true;
  chart.marks = shared_marks({ternary});
  const Series loss = smoothed_loss(*ternary.run, "", 0);
  std::vector<Curve> smaller;
  for (const Curve& curve : floats)
    if (curve.model->parameters < 0.99 * ternary.model->parameters) smaller.push_back(curve);
  for (size_t i = smaller.size(); i-- > 0 && i + 2 >= smaller.size();) {
    const Series other = smoothed_loss(*smaller[i].run, "", 0);
    Series ratio{"/ " + smaller[i].model->size, {}, {}, i + 1 == smaller.size() ? 1 : 4};
    for (size_t p = loss.x.size() / 20; p < loss.x.size(); ++p)
      ratio.x.push_back(loss.x[p]), ratio.y.push_back(loss.y[p] / value_at(other, loss.x[p]));
    chart.series.push_back(ratio);
  }
  return chart;
}

Figure relative_losses(const ReportInput& input) {
  Figure figure{
      "relative-loss",
      "TriLMs beside the two next smaller FloatLMs",
      {},
      "Training loss of a TriLM over that of smaller FloatLMs after the same tokens, from a twentieth of the run on: below 1 the "
      "larger ternary model is ahead.",
      {},
      with_analysis(input, "relative")};
  const std::vector<Curve> ternary = curves_of(input, kTriLM), floats = curves_of(input, kFloatLM);
  for (const Curve& curve : ternary) figure.charts.push_back(relative(curve, floats));
  return figure;
}

}  // namespace

std::vector<Curve> curves_of(const ReportInput& input, const Kind& kind) {
  std::vector<Curve> curves;
  for (const StudyModel& model : input.study->models) {
    const auto run = input.study_runs.find(model.name);
    if (!(kind_of(model) == kind) || !model.arm.empty() || run == input.study_runs.end()) continue;
    const auto same =
        std::find_if(curves.begin(), curves.end(), [&](const Curve& curve) { return curve.model->size == model.size; });
    if (same == curves.end())
      curves.push_back({&model, &run->second});
    else if (model.seed < same->model->seed)
      *same = {&model, &run->second};
  }
  std::sort(curves.begin(), curves.end(), [](const Curve& a, const Curve& b) { return a.model->parameters < b.model->parameters; });
  return curves;
}

std::vector<Mark> shared_marks(const std::vector<Curve>& curves) {
  std::vector<TrainingRun> runs;
  for (const Curve& curve : curves) {
    TrainingRun run;
    run.lr_drop_at = curve.run->lr_drop_at, run.decay_off_at = curve.run->decay_off_at;
    runs.push_back(run);
  }
  std::vector<Mark> marks;
  for (Mark mark : intervention_marks(runs))
    if (mark.label.find(':') == std::string::npos) mark.colour = kNeutral, marks.push_back(mark);
  return marks;
}

Section training_section(const ReportInput& input) {
  Section section{"training", "Training", ""};
  section.figures = {
      {"training-curves",
       "Training loss",
       {panel(input, kFloatLM), panel(input, kTriLM), panel(input, kBiLM)},
       "Moving averages over about a hundredth of a run; of several seeds the first. The two interventions are marked where "
       "they fall on the same token for all sizes.",
       {},
       with_analysis(input, "dynamics")},
      relative_losses(input)};
  return section;
}

}  // namespace spectra::analysis
