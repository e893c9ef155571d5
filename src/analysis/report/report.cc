// SPDX-License-Identifier: Apache-2.0
#include "analysis/report/report.h"

#include "analysis/report/sections.h"
#include "base/error.h"
#include "base/shell.h"
#include "base/system.h"

namespace spectra::analysis {
namespace {

std::vector<Section> study_sections(const ReportInput& input) {
  return {summary_section(*input.study), loss_section(input),     training_section(input),     low_bit_section(input),
          quantization_section(input),   ablation_section(input), scores_section(input),       texts_section(input),
          weights_section(input),        hardware_section(input), models_section(*input.study)};
}

std::vector<Section> run_sections(const ReportInput& input) {
  return {runs_section(input.runs), run_loss_section(input), dynamics_section(input), layers_section(input)};
}

void append(std::vector<Section>& sections, std::vector<Section> more) {
  for (Section& section : more) sections.push_back(std::move(section));
}

}  // namespace

std::string with_analysis(const ReportInput& input, const std::string& analysis, const fs::path& model) {
  const fs::path of = model.empty() ? input.study->given : input.study->given / model.lexically_relative(input.study->directory);
  return input.command + "\n" + shell_words({"spectra", "analyze", analysis, of.string()});
}

std::map<std::string, TrainingRun> read_study_runs(const Study& study, std::vector<std::string>* unread) {
  std::map<std::string, TrainingRun> runs;
  for (const StudyModel& model : study.models) {
    if (model.run.empty() || model.quantized_bits > 0) continue;
    try {
      TrainingRun run = read_run(model.run);
      run.name = model.name;
      runs[model.name] = std::move(run);
    } catch (const Error&) {
      unread->push_back(model.name);
    }
  }
  return runs;
}

std::string report_html(const ReportInput& input) {
  Page page{input.title, "", {}, input.refresh_seconds};
  page.head = "<p class=\"soft\">";
  const auto count = [](size_t n, const char* what) { return fmt::format("{} {}{}, ", n, what, n == 1 ? "" : "s"); };
  if (input.study) page.head += count(input.study->models.size(), "model");
  if (!input.runs.empty()) page.head += count(input.runs.size(), "run");
  page.head += utc_time() + "</p>\n";
  if (input.study) append(page.sections, study_sections(input));
  if (!input.runs.empty()) append(page.sections, run_sections(input));
  append(page.sections,
         {comparison_section(input.comparisons), samples_section(input.samples), error_map_section(input.quantized)});
  if (input.study) page.sections.push_back(provenance_section(input));
  return to_html(page);
}

std::string report_svg(const std::vector<TrainingRun>& runs) { return to_svg_file(training_loss_chart(runs)); }

}  // namespace spectra::analysis
