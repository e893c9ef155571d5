// SPDX-License-Identifier: Apache-2.0
// A study's models as a table, and where everything comes from.
#include <fmt/format.h>

#include <cmath>

#include "analysis/report/sections.h"
#include "base/units.h"

namespace spectra::analysis {
namespace {

std::vector<Cell> row_of(const StudyModel& model) {
  Cell name(model.name);
  name.colour = kind_colour(kind_of(model));
  return {name,
          kind_name(kind_of(model)),
          Cell(model.parameters, model.size),
          model.arm.empty() ? "–" : model.arm,
          Cell(static_cast<double>(model.seed)),
          Cell::fixed(model.validation_loss, 4),
          Cell::fixed(model.training_loss, 4),
          Cell::fixed(std::exp(model.validation_loss), 2),
          Cell::fixed(model.size_bits / 1e6, 1),
          Cell(model.disk_bytes, std::isfinite(model.disk_bytes) ? format_bytes(static_cast<uint64_t>(model.disk_bytes)) : "–"),
          Cell(model.tokens)};
}

std::string definition(const std::string& term, const std::string& text) {
  return text.empty() ? "" : "<dt>" + escaped(term) + "</dt><dd>" + escaped(text) + "</dd>\n";
}

Table jobs_table(const Study& study) {
  Table table{{"job", "kind", "state", "seconds", "FLOPs", "command"}, {}};
  for (const StudyJob& job : study.jobs) {
    Cell command(job.command);
    command.command = true;
    table.rows.push_back({job.name, job.kind, job.state, Cell::fixed(job.seconds, 1),
                          Cell(job.flops, std::isfinite(job.flops) ? fmt::format("{:.2e}", job.flops) : "–"), command});
  }
  return table;
}

}  // namespace

Section models_section(const Study& study) {
  Section section{"models", "Models", ""};
  if (study.models.empty()) return section;
  Table table;
  table.columns = {"model",         "kind",       "size", "arm",           "seed",  "validation loss",
                   "training loss", "perplexity", "Mbit", "bytes on disk", "tokens"};
  for (const StudyModel& model : study.models) table.rows.push_back(row_of(model));
  section.after = to_html(table, "Models", true) +
                  "<p class=\"soft\">Losses in nats a token, the validation loss on the same tokens for all models. Mbit: 16 bits "
                  "for each weight of "
                  "embedding and head, and the kind's bits for each weight of the linear layers, as the paper counts. " +
                  csv_link(table, "models.csv", "models.csv") + "</p>\n";
  return section;
}

Section provenance_section(const ReportInput& input) {
  const Study& study = *input.study;
  Section section{"provenance", "Provenance", ""};
  std::string list = definition("Suite", study.name) + definition("sha256 of the suite file", study.suite_sha256) +
                     definition("Command", study.command) + definition("Version", study.version) +
                     definition("Machine", study.machine) + definition("Started", study.started);
  if (std::isfinite(study.seconds)) list += definition("Time", format_duration(study.seconds));
  for (const StudyData& data : study.data)
    list += definition("Data", fmt::format("{}: {} training and {} validation tokens, vocabulary {:.0f}, sha256 {}", data.path,
                                           Cell(data.train_tokens).text, Cell(data.valid_tokens).text, data.vocab, data.sha256));
  list += definition("This page", input.command);
  const Table jobs = jobs_table(study);
  section.after = "<dl>\n" + list + "</dl>\n";
  if (!jobs.rows.empty())
    section.after +=
        fmt::format("<details><summary>{} jobs</summary>\n<p>{}</p>\n", jobs.rows.size(), csv_link(jobs, "jobs.csv", "jobs.csv")) +
        to_html(jobs, "Jobs", true) + "</details>\n";
  return section;
}

}  // namespace spectra::analysis
