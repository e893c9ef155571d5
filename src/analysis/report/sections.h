// SPDX-License-Identifier: Apache-2.0
#pragma once
// The sections of the report. Each leaves out what its data does not allow; a section without figures and text is not shown.
#include <optional>

#include "analysis/fit/scaling_law.h"
#include "analysis/report/page.h"
#include "analysis/report/report.h"
#include "analysis/study_tables.h"

namespace spectra::analysis {

// Sections about runs (runs.cc, dynamics.cc).
Section runs_section(const std::vector<TrainingRun>& runs);
Section run_loss_section(const ReportInput& input);
Section dynamics_section(const ReportInput& input);
Section layers_section(const ReportInput& input);
Section samples_section(const std::vector<Sample>& samples);
Section comparison_section(const std::vector<Comparison>& comparisons);
Section error_map_section(const std::vector<QuantizedModel>& quantized);
Chart training_loss_chart(const std::vector<TrainingRun>& runs);

// Sections about a study. Each has a file of its name.
Section summary_section(const Study& study);
Section loss_section(const ReportInput& input);
Section training_section(const ReportInput& input);
Section low_bit_section(const ReportInput& input);
Section weights_section(const ReportInput& input);
Section hardware_section(const ReportInput& input);
Section quantization_section(const ReportInput& input);
Section ablation_section(const ReportInput& input);
Section scores_section(const ReportInput& input);
Section texts_section(const ReportInput& input);
Section models_section(const Study& study);
Section provenance_section(const ReportInput& input);

/// The page's command, and the one that prints a figure's numbers: `spectra analyze ANALYSIS` of the suite, or of one of its
/// models.
std::string with_analysis(const ReportInput& input, const std::string& analysis, const fs::path& model = {});

/// A trained model of a study and its run.
struct Curve {
  const StudyModel* model;
  const TrainingRun* run;
};
/// Runs of the suite's own models of a kind, one a size (the lowest seed), rising parameters.
std::vector<Curve> curves_of(const ReportInput& input, const Kind& kind);
/// Interventions that fall on the same token in every run; others would not be readable.
std::vector<Mark> shared_marks(const std::vector<Curve>& curves);

/// The scaling law of a family over a study's sizes.
struct FamilyFit {
  Kind kind;
  ScalingFit law;
  bool with_offset = false;          ///< L = a / N^alpha + offset from four sizes on, else the pure power law
  double smallest = 0, largest = 0;  ///< parameters
};
/// Fits the law. The result is empty below three sizes with a validation loss, where no law can be fitted, and where the data
/// contradict it: it misses a size by more than 5 %, or its limit lies above what was measured.
std::optional<FamilyFit> fit_family(const Study& study, const Kind& kind);
/// The law as a named line through the sizes.
Series curve_of(const FamilyFit& fit);
/// HTML: the law with its 95 % intervals.
std::string equation_of(const FamilyFit& fit);
/// The paper's two laws at its nine sizes.
Chart paper_fits_chart();

/// Losses of a run against tokens, smoothed over about a hundredth of it.
Series smoothed_loss(const TrainingRun& run, const std::string& name, int colour);
/// The places where step sizes drop and weight decay ends; a place that all runs share is named once.
std::vector<Mark> intervention_marks(const std::vector<TrainingRun>& runs);

}  // namespace spectra::analysis
