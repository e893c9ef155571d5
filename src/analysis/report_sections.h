// SPDX-License-Identifier: Apache-2.0
#pragma once
// The sections of the report. Each leaves out what its data does not allow; a section without figures and text is not shown.
#include "analysis/page.h"
#include "analysis/report.h"
#include "analysis/study_tables.h"

namespace spectra::analysis {

// Of runs (report_runs.cc, report_dynamics.cc).
Section runs_section(const std::vector<TrainingRun>& runs);
Section run_loss_section(const ReportInput& input);
Section dynamics_section(const ReportInput& input);
Section layers_section(const ReportInput& input);
Section samples_section(const std::vector<Sample>& samples);
Section error_map_section(const std::vector<QuantizedModel>& quantized);
Chart training_loss_chart(const std::vector<TrainingRun>& runs);

// Of a study, one file each (report_NAME.cc).
Section summary_section(const Study& study);
Section loss_section(const ReportInput& input);
Section training_section(const ReportInput& input);
Section quantization_section(const ReportInput& input);
Section ablation_section(const ReportInput& input);
Section models_section(const Study& study);
Section provenance_section(const ReportInput& input);

/// Losses of a run against tokens, smoothed over about a hundredth of it.
Series smoothed_loss(const TrainingRun& run, const std::string& name, int colour);
/// Where step sizes drop and weight decay ends; a place that all runs share is named once.
std::vector<Mark> intervention_marks(const std::vector<TrainingRun>& runs);

}  // namespace spectra::analysis
