// SPDX-License-Identifier: Apache-2.0
// Runs beside each other: their table and their losses.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "analysis/chart/axes.h"
#include "analysis/report/sections.h"
#include "base/units.h"

namespace spectra::analysis {
namespace {

std::string family_label(const TrainingRun& run) { return kind_name({run.config.family, 0}); }

double median_speed(const TrainingRun& run) {
  std::vector<double> speeds;
  for (const LogPoint& point : run.log)
    if (!std::isnan(point.tokens_per_second)) speeds.push_back(point.tokens_per_second);
  if (speeds.empty()) return LogPoint::kAbsent;
  std::nth_element(speeds.begin(), speeds.begin() + static_cast<std::ptrdiff_t>(speeds.size() / 2), speeds.end());
  return speeds[speeds.size() / 2];
}

std::vector<Cell> row_of(const TrainingRun& run, size_t index) {
  std::vector<double> losses;
  double zeros = LogPoint::kAbsent;
  int skipped = 0;
  for (const LogPoint& point : run.log) {
    losses.push_back(point.loss);
    if (!std::isnan(point.zero_fraction)) zeros = point.zero_fraction;
    skipped += !point.skipped.empty();
  }
  Cell name(run.name);
  name.colour = static_cast<int>(index);
  return {name,
          family_label(run),
          Cell(run.parameters, format_count(static_cast<uint64_t>(run.parameters))),
          Cell::fixed(run.bits / 1e6, 1),
          Cell(run.log.back().tokens, format_count(static_cast<uint64_t>(run.log.back().tokens))),
          Cell::fixed(smoothed(losses, 20).back(), 3),
          Cell::fixed(run.validation_loss, 3),
          Cell::fixed(std::exp(run.validation_loss), 2),
          Cell(zeros, std::isnan(zeros) ? "–" : fmt::format("{:.1f} %", 100 * zeros)),
          Cell(static_cast<double>(skipped)),
          Cell::fixed(median_speed(run), 0)};
}

Chart validation_loss_chart(const std::vector<TrainingRun>& runs) {
  Chart chart{"Validation loss", "tokens", "validation loss, nats a token", {}, intervention_marks(runs)};
  for (size_t i = 0; i < runs.size(); ++i) {
    Series series{runs[i].name, {}, {}, static_cast<int>(i)};
    for (const LogPoint& point : runs[i].log)
      if (!std::isnan(point.validation_loss)) series.x.push_back(point.tokens), series.y.push_back(point.validation_loss);
    if (!series.x.empty()) chart.series.push_back(series);
  }
  return chart;
}

Chart loss_against_bits(const std::vector<TrainingRun>& runs) {
  Chart chart{"Validation loss against size", "size in bits", "validation loss, nats a token", {}};
  chart.log_x = true;
  for (size_t i = 0; i < runs.size(); ++i) {
    if (std::isnan(runs[i].validation_loss)) continue;
    Series series{runs[i].name, {runs[i].bits}, {runs[i].validation_loss}, static_cast<int>(i), true};
    series.marker = kind_marker({runs[i].config.family, 0});
    chart.series.push_back(series);
  }
  return chart;
}

}  // namespace

Section runs_section(const std::vector<TrainingRun>& runs) {
  if (runs.empty()) return {};
  Table table;
  table.columns = {"run",        "family",       "parameters",    "size, Mbit", "tokens", "training loss", "validation loss",
                   "perplexity", "zero weights", "skipped steps", "tokens/s"};
  for (size_t i = 0; i < runs.size(); ++i) table.rows.push_back(row_of(runs[i], i));
  Section section{"runs", "Runs", ""};
  section.after = to_html(table, "Runs") +
                  "<p class=\"soft\">Size in bits as the Spectra paper counts it: 16 for each weight of embedding and head; 16, "
                  "1.58 or 1 for each "
                  "weight of the linear layers. Training loss: its moving average at the end. " +
                  csv_link(table, "runs.csv", "runs.csv") + "</p>\n";
  return section;
}

Section run_loss_section(const ReportInput& input) {
  Section section{"loss", "Loss", ""};
  section.figures = {{"training-loss", "Training loss", {training_loss_chart(input.runs)}, "Pale: every step.", {}, input.command},
                     {"validation-loss", "Validation loss", {validation_loss_chart(input.runs)}, "", {}, input.command},
                     {"loss-bits", "Validation loss against size", {loss_against_bits(input.runs)}, "", {}, input.command}};
  return section;
}

Section samples_section(const std::vector<Sample>& samples) {
  Section section{"samples", "What the models write", ""};
  std::vector<std::string> prompts;
  for (const Sample& sample : samples)
    if (std::find(prompts.begin(), prompts.end(), sample.prompt) == prompts.end()) prompts.push_back(sample.prompt);
  for (const std::string& prompt : prompts) {
    section.after += fmt::format("<p>Prompt: “{}”</p>\n", escaped(prompt));
    for (const Sample& sample : samples)
      if (sample.prompt == prompt)
        section.after += fmt::format("<blockquote><strong>{}</strong>\n{}</blockquote>\n", escaped(sample.run),
                                     escaped(sample.prompt + sample.text));
  }
  return section;
}

Section error_map_section(const std::vector<QuantizedModel>& quantized) {
  return {"quantized", "Quantized models", "", {}, error_maps(quantized)};
}

}  // namespace spectra::analysis
