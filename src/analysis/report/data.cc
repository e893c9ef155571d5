// SPDX-License-Identifier: Apache-2.0
#include <cmath>
#include <nlohmann/json.hpp>

#include "analysis/report/report.h"
#include "base/error.h"

namespace spectra::analysis {
namespace {

struct Column {
  const char* name;
  double LogPoint::*value;
};
constexpr Column kColumns[] = {{"loss", &LogPoint::loss},
                               {"validation_loss", &LogPoint::validation_loss},
                               {"lr", &LogPoint::lr},
                               {"weight_decay", &LogPoint::weight_decay},
                               {"grad_norm", &LogPoint::grad_norm},
                               {"tokens_per_second", &LogPoint::tokens_per_second},
                               {"zero_fraction", &LogPoint::zero_fraction},
                               {"flip_fraction", &LogPoint::flip_fraction},
                               {"mfu", &LogPoint::mfu},
                               {"memory_bytes", &LogPoint::memory_bytes},
                               {"loss_scale", &LogPoint::loss_scale}};

struct LayerColumn {
  const char* name;
  std::vector<double> LayerPoint::*values;
};
constexpr LayerColumn kLayerColumns[] = {
    {"scale", &LayerPoint::scale}, {"near_fraction", &LayerPoint::near_fraction}, {"distance", &LayerPoint::distance}};

nlohmann::ordered_json number(double value) {
  return std::isnan(value) ? nlohmann::ordered_json(nullptr) : nlohmann::ordered_json(value);
}

}  // namespace

std::string report_json(const std::vector<TrainingRun>& runs) {
  nlohmann::ordered_json out = {{"schema", "spectra.report/1"}, {"runs", nlohmann::ordered_json::array()}};
  for (const TrainingRun& run : runs) {
    nlohmann::ordered_json log, skipped = nlohmann::ordered_json::array(), layers = nlohmann::ordered_json::array();
    for (const LogPoint& point : run.log) {
      log["step"].push_back(point.step);
      log["tokens"].push_back(point.tokens);
      for (const Column& column : kColumns) log[column.name].push_back(number(point.*column.value));
    }
    for (const LogPoint& point : run.log)
      if (!point.skipped.empty()) skipped.push_back({{"step", point.step}, {"reason", point.skipped}});
    for (const LayerPoint& point : run.layers) {
      layers.push_back({{"tokens", point.tokens}});
      for (const LayerColumn& column : kLayerColumns)
        for (const double value : point.*column.values) layers.back()[column.name].push_back(number(value));
    }
    out["runs"].push_back({{"name", run.name},
                           {"checkpoint", run.checkpoint.string()},
                           {"family", model::family_name(run.config.family)},
                           {"parameters", run.parameters},
                           {"bits", run.bits},
                           {"tokens", run.log.back().tokens},
                           {"validation_loss", number(run.validation_loss)},
                           {"lr_drop_at", number(run.lr_drop_at)},
                           {"decay_off_at", number(run.decay_off_at)},
                           {"skipped", skipped},
                           {"layers", layers},
                           {"log", log}});
  }
  return out.dump(1);
}

std::string report_csv(const std::vector<TrainingRun>& runs) {
  std::string csv = "run,step,tokens";
  for (const Column& column : kColumns) csv += std::string(",") + column.name;
  csv += "\n";
  for (const TrainingRun& run : runs)
    for (const LogPoint& point : run.log) {
      csv += fmt::format("{},{},{:.0f}", run.name, point.step, point.tokens);
      for (const Column& column : kColumns)
        csv += std::isnan(point.*column.value) ? "," : fmt::format(",{:.9g}", point.*column.value);
      csv += "\n";
    }
  return csv;
}

}  // namespace spectra::analysis
