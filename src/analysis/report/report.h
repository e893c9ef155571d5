// SPDX-License-Identifier: Apache-2.0
#pragma once
// The report on a suite or on single runs: one self-contained HTML file, and the runs' numbers as JSON and CSV.
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "analysis/comparison.h"
#include "analysis/run.h"
#include "analysis/study.h"
#include "analysis/weights/error_map.h"
#include "analysis/weights/study_weights.h"

namespace spectra::analysis {

/// Text that a run's model wrote, shown beside its numbers.
struct Sample {
  std::string run, prompt, text;
};

struct ReportInput {
  std::string title, command;  ///< command: what makes this page again
  std::vector<TrainingRun> runs = {};
  std::optional<Study> study = std::nullopt;
  std::map<std::string, TrainingRun> study_runs = {};  ///< by model, as read_study_runs() found them
  std::vector<Sample> samples = {};
  std::vector<QuantizedModel> quantized = {};
  std::vector<Comparison> comparisons = {};
  StudyWeights weights = {};  ///< of the study's models, as read_study_weights() found them
  int refresh_seconds = 0;    ///< the page loads itself again; 0 = never
};

/// The runs of a study's models that can be read: those of trained models with a log and a checkpoint. The names of others go to
/// `unread`.
std::map<std::string, TrainingRun> read_study_runs(const Study& study, std::vector<std::string>* unread);

std::string report_html(const ReportInput& input);
/// {"schema": "spectra.report/1", "runs": [{name, family, parameters, bits, ..., log: {tokens: [], loss: [], ...}}]}
std::string report_json(const std::vector<TrainingRun>& runs);
/// run,step,tokens,loss,validation_loss,lr,weight_decay,grad_norm,tokens_per_second,zero_fraction,flip_fraction,mfu,memory_bytes,loss_scale
std::string report_csv(const std::vector<TrainingRun>& runs);

/// The training losses as one picture, an SVG file.
std::string report_svg(const std::vector<TrainingRun>& runs);

}  // namespace spectra::analysis
