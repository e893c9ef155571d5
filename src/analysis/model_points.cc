// SPDX-License-Identifier: Apache-2.0
#include "analysis/model_points.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "analysis/csv_columns.h"
#include "analysis/study_tables.h"
#include "base/error.h"

namespace spectra::analysis {

std::vector<ModelPoint> points_of(const Study& study) {
  std::vector<ModelPoint> points;
  for (const StudyModel& model : study.models)
    if (model.arm.empty() && std::isfinite(model.validation_loss))
      points.push_back(
          {model.name, kind_name(kind_of(model)), model.parameters, model.size_bits, model.tokens, model.validation_loss});
  return points;
}

std::vector<ModelPoint> read_points(const fs::path& path) {
  if (is_study(path)) return points_of(read_study(path));
  const CsvColumns rows(read_file(path), path.string(), {"kind", "parameters", "loss"});
  std::vector<ModelPoint> points;
  for (size_t i = 0; i < rows.rows(); ++i) {
    if (rows.number(i, "parameters") < 1)
      throw bad_input(fmt::format("{}: parameters of {}", path.string(), rows.text(i, "parameters")),
                      "they are counts: 1100000000 or 1.1e9 for 1.1 billion");
    points.push_back({rows.text(i, "name"), rows.text(i, "kind"), rows.number(i, "parameters"),
                      rows.number_or_unknown(i, "size_bits"), rows.number_or_unknown(i, "tokens"), rows.number(i, "loss")});
  }
  return points;
}

std::vector<std::string> kinds_of(const std::vector<ModelPoint>& points) {
  std::vector<std::string> kinds;
  for (const ModelPoint& point : points)
    if (std::find(kinds.begin(), kinds.end(), point.kind) == kinds.end()) kinds.push_back(point.kind);
  return kinds;
}

std::vector<SizeMean> size_means(const std::vector<ModelPoint>& points, const std::string& kind, bool by_tokens) {
  std::vector<SizeMean> means;
  for (const ModelPoint& point : points) {
    if (point.kind != kind || !std::isfinite(point.parameters) || (by_tokens && !std::isfinite(point.tokens))) continue;
    auto mean = std::find_if(means.begin(), means.end(), [&](const SizeMean& one) {
      return one.parameters == point.parameters && (!by_tokens || one.tokens == point.tokens);
    });
    if (mean == means.end()) mean = means.insert(means.end(), {point.parameters, by_tokens ? point.tokens : kUnknown, 0, 0});
    ++mean->models;
    mean->loss += (point.loss - mean->loss) / static_cast<double>(mean->models);
  }
  return means;
}

}  // namespace spectra::analysis
