// SPDX-License-Identifier: Apache-2.0
// What rounding trained FloatLMs to 8, 6, 4 and 3 bits costs.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "analysis/report/sections.h"

namespace spectra::analysis {
namespace {

/// Loss of each QuantLM minus that of the FloatLM it came from.
struct Loss {
  const StudyModel* model;
  double added;
};
std::vector<Loss> added_losses(const Study& study) {
  std::vector<Loss> out;
  for (const StudyModel& model : study.models) {
    if (model.quantized_bits == 0 || !model.arm.empty()) continue;
    for (const StudyModel& parent : study.models)
      if (parent.name == model.parent && std::isfinite(model.validation_loss - parent.validation_loss))
        out.push_back({&model, model.validation_loss - parent.validation_loss});
  }
  return out;
}

Chart chart_of(const std::vector<Loss>& losses) {
  Chart chart{"Loss added by quantization", "bits a linear weight", "QuantLM − FloatLM, nats a token", {}};
  std::set<int, std::greater<>> bits;
  std::map<double, std::string> sizes;
  for (const Loss& loss : losses) {
    bits.insert(loss.model->quantized_bits);
    sizes[loss.model->parameters] = loss.model->size;
  }
  for (const int b : bits) chart.columns.push_back(fmt::format("{}", b));
  chart.log_y = true;
  size_t index = 0;
  for (const auto& entry : sizes) {
    Series series{entry.second, {}, {}, kind_colour(kFloatLM)};
    series.opacity = 0.4 + 0.6 * static_cast<double>(++index) / static_cast<double>(sizes.size());
    double column = 0;
    for (const int b : bits) {
      std::vector<double> values;
      for (const Loss& loss : losses)
        if (loss.model->quantized_bits == b && loss.model->size == entry.second) values.push_back(loss.added);
      const Mean mean = mean_of(values);
      series.x.push_back(column++);
      series.y.push_back(mean.mean > 0 ? mean.mean : kUnknown);
      series.notes.push_back(fmt::format("{} at {} bits", entry.second, b));
    }
    chart.series.push_back(series);
  }
  return chart;
}

Table table_of(const std::vector<Loss>& losses) {
  Table table{{"size", "seed", "bits", "FloatLM", "QuantLM", "difference"}, {}};
  for (const Loss& loss : losses)
    table.rows.push_back({loss.model->size, Cell(static_cast<double>(loss.model->seed)), Cell(loss.model->quantized_bits),
                          Cell(loss.model->validation_loss - loss.added), Cell(loss.model->validation_loss), Cell(loss.added)});
  return table;
}

}  // namespace

Section quantization_section(const ReportInput& input) {
  const std::vector<Loss> losses = added_losses(*input.study);
  Section section{"quantization", "Quantization", ""};
  if (losses.empty()) return section;
  const Chart chart = chart_of(losses);
  section.figures = {
      {"quantization-loss",
       chart.title,
       {chart},
       "Final validation loss of each QuantLM minus that of its FloatLM, means over seeds, on a logarithmic axis: those "
       "that are not above 0 are in the table only.",
       table_of(losses),
       input.command}};
  return section;
}

}  // namespace spectra::analysis
