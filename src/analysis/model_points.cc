// SPDX-License-Identifier: Apache-2.0
#include "analysis/model_points.h"

#include <algorithm>
#include <cmath>

#include "analysis/csv_columns.h"
#include "analysis/study_tables.h"

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
  for (size_t i = 0; i < rows.rows(); ++i)
    points.push_back({rows.text(i, "name"), rows.text(i, "kind"), rows.number(i, "parameters"),
                      rows.number_or_unknown(i, "size_bits"), rows.number_or_unknown(i, "tokens"), rows.number(i, "loss")});
  return points;
}

std::vector<std::string> kinds_of(const std::vector<ModelPoint>& points) {
  std::vector<std::string> kinds;
  for (const ModelPoint& point : points)
    if (std::find(kinds.begin(), kinds.end(), point.kind) == kinds.end()) kinds.push_back(point.kind);
  return kinds;
}

}  // namespace spectra::analysis
